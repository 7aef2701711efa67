"""Which provider sent this: told by the header, then by the secret that fits, then by the body's shape."""

from collections.abc import Mapping
from typing import Protocol

from homeproductions.errors import NotFound
from orders.errors import InvalidSignature

from . import Notice, Unreadable, recurrente, standard, stripe


class Provider(Protocol):
    """What every provider's module offers."""

    NAME: str

    def is_configured(self) -> bool: ...

    def recognises(self, headers: Mapping[str, str]) -> bool:
        """Whether the headers are those of its signatures."""
        ...

    def verify(self, headers: Mapping[str, str], body: bytes) -> str:
        """The provider's id of the event. Raises InvalidSignature."""
        ...

    def speaks(self, body: bytes) -> bool:
        """Whether a verified body is in its language, where several providers sign alike."""
        ...

    def notices(self, body: bytes) -> list[Notice]:
        """What the event says. Raises Unreadable."""
        ...


# In the order in which they are asked; the last one takes what is in nobody else's language.
PROVIDERS: tuple[Provider, ...] = (stripe, recurrente, standard)
BY_NAME: dict[str, Provider] = {provider.NAME: provider for provider in PROVIDERS}


def notices_in(provider: str, body: bytes | memoryview) -> list[Notice]:
    """What a stored delivery says, as its provider's module reads it; nothing where it cannot, or where there is no
    such provider any more."""
    try:
        return BY_NAME[provider].notices(bytes(body))
    except (Unreadable, KeyError):
        return []


def sender(headers: Mapping[str, str], body: bytes) -> tuple[Provider, str]:
    """The provider that signed these bytes, and its id of the event.

    Nothing of the body is looked at before a signature fits. Raises NotFound when no provider that could have sent
    this is configured, InvalidSignature when none of those signed it.
    """
    known = [provider for provider in PROVIDERS if provider.recognises(headers)] or PROVIDERS
    asked = [provider for provider in known if provider.is_configured()]
    if not asked:
        raise NotFound
    for provider in asked:
        try:
            event_id = provider.verify(headers, body)
        except InvalidSignature:
            continue
        if provider.speaks(body):
            return provider, event_id
    raise InvalidSignature
