"""The links of an order. The one to its own page is for whoever placed it; it stands in every mail and in the answer
to the order.

Nothing is stored: the token is the order's id and a signature of it, so the same order has the same link for ever.
Whoever holds it sees the ticket; it is therefore signed with the key of the tickets, and dies with that key.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from homeproductions.environment import derive

from .errors import OrderNotFound
from .models import Order

PAGE = "order-page"
LABEL = "order link"
ID_BYTES = SIGNATURE_BYTES = 16
TOKEN_LENGTH = 43  # 32 bytes in base64url without padding


def token_of(order: Order) -> str:
    return _token(order.pk)


def order_of(token: str) -> Order:
    """The order that the token belongs to, with its night. Raises OrderNotFound, also for what is no token at all."""
    order_id = id_of(token)
    found = Order.objects.select_related("event", "tier").filter(pk=order_id).first() if order_id else None
    if found is None:
        raise OrderNotFound
    return found


def id_of(token: str) -> UUID | None:
    """The order's id if we made this token, without asking the database."""
    if len(token) != TOKEN_LENGTH or not token.isascii():
        return None
    try:
        order_id = UUID(bytes=urlsafe_b64decode(f"{token}=")[:ID_BYTES])
    except ValueError:
        return None
    # The whole text is compared: several texts decode to the same bytes, and only one of them is ours.
    return order_id if hmac.compare_digest(token, _token(order_id)) else None


def proves(token: str, order: Order) -> bool:
    """Whether the token is the one of this order."""
    return id_of(token) == order.pk


def order_url(order: Order) -> str:
    """The address of the order's page, absolute."""
    return settings.PUBLIC_URL + reverse(PAGE, args=[token_of(order)])


def payment_link(order: Order) -> str | None:
    """Where to pay: the order's own page at the provider while it waits for its money, else the link of its tier."""
    own = order.checkout_url if order.status == Order.Status.PENDING else None
    return own or order.tier.payment_link


def _token(order_id: UUID) -> str:
    key = derive(settings.TICKET_KEY, LABEL).encode()
    signature = hmac.digest(key, order_id.bytes, hashlib.sha256)[:SIGNATURE_BYTES]
    return urlsafe_b64encode(order_id.bytes + signature).decode().rstrip("=")
