"""Recurrente (Guatemala): https://docs.recurrente.com, section Checkouts. It charges in GTQ and USD."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from . import Checkout, Standing, Wish, call, checkout_in

NAME = "recurrente"


def is_configured() -> bool:
    return bool(settings.RECURRENTE_PUBLIC_KEY and settings.RECURRENTE_SECRET_KEY)


def create(wish: Wish) -> Checkout:
    # One item with the total: it takes no quantity above 9.
    item = {"name": wish.title, "amount_in_cents": wish.amount_minor, "currency": wish.currency, "quantity": 1}
    content: dict[str, Any] = {
        "items": [item],
        "success_url": wish.paid_back,
        "cancel_url": wish.back,
        "metadata": wish.metadata,
    }
    if wish.expires_at:
        content["expires_at"] = wish.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = call("POST", f"{settings.RECURRENTE_API_URL}/checkouts", headers=_keys(), json=content)
    return checkout_in(answer, url_key="checkout_url")


def state_of(reference: str) -> Standing:
    answer = call("GET", f"{settings.RECURRENTE_API_URL}/checkouts/{quote(reference, safe='')}", headers=_keys())
    match answer.get("status"):
        case "paid":
            return Standing("paid")  # all its notices name the checkout
        case "unpaid":
            return Standing("gone" if _is_past(answer.get("expires_at")) else "open")
        case "expired" | "canceled" | "cancelled":
            return Standing("gone")
    return Standing("unknown")


def _is_past(moment: object) -> bool:
    try:
        parsed = parse_datetime(moment) if isinstance(moment, str) else None
    except ValueError:
        return False
    if parsed is None:
        return False
    aware: datetime = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return aware <= timezone.now()


def _keys() -> dict[str, str]:
    return {"X-PUBLIC-KEY": settings.RECURRENTE_PUBLIC_KEY, "X-SECRET-KEY": settings.RECURRENTE_SECRET_KEY}
