"""Standard Webhooks (https://www.standardwebhooks.com), also with the svix-* names of the same headers.

Bodies have the contract's generic shapes (2.8): `event` or `status`, `order_id`, `payment_id`, and for the money
`amount_in_cents` (an integer of minor units) with `currency`, at top level or under `data`.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from standardwebhooks import Webhook

from homeproductions.errors import Refused
from homeproductions.parsers import load_json
from orders.errors import InvalidSignature

from . import Notice, Outcome, Unreadable

NAME = "webhook"
PAID_EVENTS = {"checkout.completed", "payment.succeeded"}
FAILED_EVENTS = {"payment.failed"}
PAID_STATES = {"paid", "completed", "success"}
FAILED_STATES = {"failed", "error"}


def is_configured() -> bool:
    return bool(settings.PAYMENT_WEBHOOK_SECRETS)


def verify(headers: Mapping[str, str], body: bytes) -> str:
    """The provider's id of this event. Raises InvalidSignature unless one of the secrets signed these very bytes
    within the last five minutes."""
    signed = {name: headers.get(f"webhook-{name}") or headers.get(f"svix-{name}") or "" for name in SIGNED_HEADERS}
    if not all(signed.values()):
        raise InvalidSignature
    named = {f"webhook-{name}": value for name, value in signed.items()}
    if not any(_fits(secret, named, body) for secret in settings.PAYMENT_WEBHOOK_SECRETS):
        raise InvalidSignature
    return signed["id"]


SIGNED_HEADERS = ("id", "timestamp", "signature")


def notices(body: bytes) -> list[Notice]:
    """What the delivery says. Raises Unreadable when it is no JSON object."""
    try:
        content = load_json(body)
    except Refused as error:
        raise Unreadable("not JSON") from error
    if not isinstance(content, dict) or not content:
        raise Unreadable("not a JSON object")
    data = _object(content.get("data"))
    metadata = _object(data.get("metadata"))
    return [
        Notice(
            outcome=_outcome(content),
            order_reference=_first_text(content.get("order_id"), metadata.get("order_id"), data.get("order_id")),
            reference=_first_text(
                content.get("payment_id"), content.get("reference"), data.get("payment_id"), data.get("id")
            ),
            amount_minor=_first_integer(content.get("amount_in_cents"), data.get("amount_in_cents")),
            currency=_first_text(content.get("currency"), data.get("currency")).upper(),
            payer_email=_first_text(data.get("customer_email"), _object(data.get("customer")).get("email")),
        )
    ]


def _fits(secret: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except Exception:  # the library raises half a dozen kinds for malformed headers, and every one means no
        return False
    return True


def _outcome(content: dict[str, Any]) -> Outcome:
    event, state = content.get("event"), content.get("status")
    for word, paid, failed in ((event, PAID_EVENTS, FAILED_EVENTS), (state, PAID_STATES, FAILED_STATES)):
        if isinstance(word, str) and word in paid:
            return Outcome.PAID
        if isinstance(word, str) and word in failed:
            return Outcome.FAILED
    return Outcome.UNKNOWN


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _first_text(*values: Any) -> str:
    """The first text or whole number, cut to what a column holds."""
    for value in values:
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()[:255]
    return ""


def _first_integer(*values: Any) -> int | None:
    """The first that is given, if it is a whole number a column can hold. Money as a float or as text is refused,
    not rounded, and not looked for elsewhere."""
    value = next((each for each in values if each is not None), None)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**63:
        return None
    return value
