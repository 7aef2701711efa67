"""What can be asked about orders."""

import json
from typing import Any

from django.db.models import Q, QuerySet

from events.queries import as_uuid

from . import codes
from .errors import OrderNotFound
from .models import Order


def find_by_number(text: str) -> Order:
    """The order with this number, in any letter case and with stray blanks. Raises OrderNotFound."""
    order = _with_night().filter(order_number=normal_number(text)).first()
    if order is None:
        raise OrderNotFound
    return order


def normal_number(text: str) -> str:
    return "".join(text.split()).upper()


def presented(text: str) -> Q:
    """The condition for the order that was shown at the door: a ticket code, the JSON of a ticket's QR, an order
    number or an order id, in any letter case.

    A QR that carries a code is looked up by that code alone: a revoked code must not pass by the number beside it.
    """
    text = text.strip()
    if text.startswith("{"):
        payload = _payload(text)
        text = payload.get("qr") or payload.get("id") or ""
    if codes.looks_like_code(text):
        return Q(qr_code_hash=codes.hash_code(text))
    order_id = as_uuid(text.lower())
    return Q(pk=order_id) if order_id else Q(order_number=normal_number(text))


def find_presented(text: str) -> Order:
    """The order shown at the door, unlocked. Raises OrderNotFound."""
    order = _with_night().prefetch_related("checkins").filter(presented(text)).first()
    if order is None:
        raise OrderNotFound
    return order


def _with_night() -> QuerySet[Order]:
    return Order.objects.select_related("event", "tier")


def _payload(text: str) -> dict[str, str]:
    """The QR's JSON with lower-case keys: a keyboard-type scanner types it in capitals."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {str(key).lower(): item.strip() for key, item in value.items() if isinstance(item, str)}
