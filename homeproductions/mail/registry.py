"""Who writes which kind of mail. Each app registers its own kinds, so that this app needs to know none of them."""

from collections.abc import Callable

from django.core.mail import EmailMultiAlternatives

from .models import OutboxEmail

Renderer = Callable[[OutboxEmail], EmailMultiAlternatives]

RENDERERS: dict[str, Renderer] = {}


def renders(kind: str) -> Callable[[Renderer], Renderer]:
    """Register a function that fills in text and attachments of one kind of mail.

    The outbox adds sender, recipient and subject. The function may raise NotWanted; anything else it raises counts
    as a failure that is tried again.
    """

    def register(function: Renderer) -> Renderer:
        if kind in RENDERERS:
            raise ValueError(f"two functions render {kind!r}")
        RENDERERS[kind] = function
        return function

    return register


def render(email: OutboxEmail) -> EmailMultiAlternatives:
    """The message without its addresses. Raises LookupError for a kind that nobody renders."""
    if email.email_type not in RENDERERS:
        raise LookupError(f"no function renders mail of kind {email.email_type!r}")
    return RENDERERS[email.email_type](email)
