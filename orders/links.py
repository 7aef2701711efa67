"""The links of an order. The one to its own page is for whoever placed it; it stands in every mail and in the answer
to the order.

Nothing is stored: the token is the order's id and a signature of it, so the same order has the same link until
somebody re-issues its ticket code. Whoever holds it sees the ticket; it is therefore signed with the key of the tickets
and dies with that key, and it names the version of the code and dies with that.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import cache
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from homeproductions.environment import derive

from .errors import OrderNotFound
from .models import Order

PAGE = "order-page"
ANY = "TOKEN"
LABEL = "order link"
ID_BYTES = SIGNATURE_BYTES = 16
VERSION_BYTES = 4


def token_of(order: Order) -> str:
    return _token(order.pk, order.code_version)


def order_of(token: str) -> Order:
    """The order that the token belongs to, with its night. Raises OrderNotFound, also for what is no token at all and
    for the token of a code that was revoked."""
    order_id = _id_in(token)
    found = Order.objects.select_related("event", "tier").filter(pk=order_id).first() if order_id else None
    if found is None or not proves(token, found):
        raise OrderNotFound
    return found


def proves(token: str, order: Order) -> bool:
    """Whether the token is the one of this order."""
    return token.isascii() and hmac.compare_digest(token, token_of(order))


def _id_in(token: str) -> UUID | None:
    """The order's id if we made this token, now or before, without asking the database."""
    if len(token) not in (_length(0), _length(VERSION_BYTES)) or not token.isascii():
        return None
    try:
        content = urlsafe_b64decode(token + "=" * (-len(token) % 4))[:-SIGNATURE_BYTES]
        order_id, version = UUID(bytes=content[:ID_BYTES]), int.from_bytes(content[ID_BYTES:]) or 1
    except ValueError:
        return None
    # The whole text is compared: several texts decode to the same bytes, and only one of them is ours.
    return order_id if hmac.compare_digest(token, _token(order_id, version)) else None


def _length(version_bytes: int) -> int:
    """Of so many bytes in base64url without padding."""
    return -(-(ID_BYTES + version_bytes + SIGNATURE_BYTES) * 4 // 3)


def order_url(order: Order) -> str:
    """The address of the order's page, absolute."""
    return settings.PUBLIC_URL + _page().replace(ANY, token_of(order))


def payment_link(order: Order) -> str | None:
    """Where to pay: the order's own page at the provider while it waits for its money, else the link of its tier."""
    own = order.checkout_url if order.status == Order.Status.PENDING else None
    return own or order.tier.payment_link


def _token(order_id: UUID, version: int) -> str:
    key = _key(settings.TICKET_KEY)
    # The first version goes without saying: links that were mailed before there were versions stay good.
    content = order_id.bytes + (version.to_bytes(VERSION_BYTES) if version > 1 else b"")
    signature = hmac.digest(key, content, hashlib.sha256)[:SIGNATURE_BYTES]
    return urlsafe_b64encode(content + signature).decode().rstrip("=")


@cache
def _page() -> str:
    """The path of the page of any order."""
    return reverse(PAGE, args=[ANY])


@cache
def _key(ticket_key: str) -> bytes:
    return derive(ticket_key, LABEL).encode()
