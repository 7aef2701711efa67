"""The links in newsletter mail. What stands in them is signed, so nothing has to be stored to trust it later.

Whoever has a link has read the mail, which is all the proof that these pages ask for. A link is the same however
often it is made: a mail that is sent a second time must not differ from the first.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse

from .errors import LinkUnknown

CONFIRM = "newsletter-confirm"
UNSUBSCRIBE = "newsletter-unsubscribe-page"


def confirm_url(subscriber_id: UUID, asked_at: datetime) -> str:
    """Carries the moment of asking: it ends after a while, and when the subscriber has left since."""
    return _url(CONFIRM, [subscriber_id.hex, asked_at.timestamp()])


def unsubscribe_url(subscriber_id: UUID) -> str:
    """Never ends: whoever finds a mail of ours years later must still be able to leave."""
    return _url(UNSUBSCRIBE, [subscriber_id.hex])


def read_confirm_token(token: str) -> tuple[UUID, datetime]:
    """The subscriber's id and the moment of asking. Raises LinkUnknown."""
    subscriber_id, asked_at = _read(CONFIRM, token)
    return UUID(subscriber_id), datetime.fromtimestamp(asked_at, UTC)


def read_unsubscribe_token(token: str) -> UUID:
    """The subscriber's id. Raises LinkUnknown."""
    return UUID(_read(UNSUBSCRIBE, token)[0])


def _url(page: str, content: list[Any]) -> str:
    return settings.PUBLIC_URL + reverse(page, args=[_signer(page).sign_object(content)])


def _read(page: str, token: str) -> list[Any]:
    try:
        return _signer(page).unsign_object(token)
    except BadSignature as error:
        raise LinkUnknown from error


def _signer(page: str) -> Signer:
    # The page is part of the salt, so that a link to one page opens no other.
    return Signer(salt=page, sep=".")
