"""Standard Webhooks (https://www.standardwebhooks.com), also with the svix-* names of the same headers.

Bodies have the contract's generic shapes (2.8): `event` or `status`, `order_id`, `payment_id`, and for the money
`amount_in_cents` (an integer of minor units) with `currency`, at top level or under `data`. Beyond the contract, the
event may stand in `type`, as Standard Webhooks have it, and may be `payment.refunded` or `payment.disputed`, with
`refund_id` or `dispute_id` beside `payment_id`; a refund with the status `failed` did not reach its payer.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from standardwebhooks import Webhook

from orders.errors import InvalidSignature

from . import Kind, Notice, Outcome
from .reading import child, currency, first_amount, first_text, json_object, order_in, texts

NAME = "webhook"
SIGNED_HEADERS = ("id", "timestamp", "signature")
PAID_EVENTS = {"checkout.completed", "payment.succeeded"}
FAILED_EVENTS = {"payment.failed", "payment.canceled", "payment.cancelled", "checkout.expired"}
PENDING_EVENTS = {"payment.pending", "payment.processing", "payment.created", "checkout.created"}
TAKEN_BACK_EVENTS = {"payment.refunded": Kind.REFUND, "payment.disputed": Kind.DISPUTE}
NOT_MONEY = {"account", "customer", "payout", "price", "product", "webhook"}
PAID_STATES = {"paid", "completed", "success"}
FAILED_STATES = ("failed", "error", "canceled", "cancelled", "expired")
PENDING_STATES = {"pending", "processing", "created", "open", "unpaid"}


def is_configured() -> bool:
    return bool(settings.PAYMENT_WEBHOOK_SECRETS)


def recognises(headers: Mapping[str, str]) -> bool:
    return bool(headers.get("webhook-signature") or headers.get("svix-signature"))


def verify(headers: Mapping[str, str], body: bytes) -> str:
    """The provider's id of this event. Raises InvalidSignature unless one of the secrets signed these very bytes
    within the last five minutes."""
    return verify_with(settings.PAYMENT_WEBHOOK_SECRETS, headers, body)


def verify_with(secrets: Iterable[str], headers: Mapping[str, str], body: bytes) -> str:
    """`verify` with other secrets; every one of them is accepted, so that they can be rotated."""
    signed = {name: headers.get(f"webhook-{name}") or headers.get(f"svix-{name}") or "" for name in SIGNED_HEADERS}
    if not all(signed.values()):
        raise InvalidSignature
    named = {f"webhook-{name}": value for name, value in signed.items()}
    if not any(_fits(secret, named, body) for secret in secrets):
        raise InvalidSignature
    return signed["id"]


def speaks(body: bytes) -> bool:
    """Whatever is signed and belongs to no other provider."""
    return True


def notices(body: bytes) -> list[Notice]:
    """What the delivery says. Raises Unreadable when it is no JSON object."""
    content = json_object(body)
    kind = TAKEN_BACK_EVENTS.get(_event(content))
    return [_charge(content) if kind is None else _taken_back(kind, content)]


def _charge(content: dict[str, Any]) -> Notice:
    data = child(content, "data")
    return Notice(
        outcome=_outcome(content),
        order_reference=first_text(content.get("order_id"), order_in(child(data, "metadata")), data.get("order_id")),
        reference=_charge_id(content),
        checkout_reference=first_text(content.get("checkout_id"), data.get("checkout_id")),
        amount_minor=first_amount(content.get("amount_in_cents"), data.get("amount_in_cents")),
        fee_minor=first_amount(content.get("fee_in_cents"), data.get("fee_in_cents")),
        currency=currency(content.get("currency"), data.get("currency")),
        payer_email=first_text(data.get("customer_email"), child(data, "customer").get("email")),
    )


def _taken_back(kind: Kind, content: dict[str, Any]) -> Notice:
    data = child(content, "data")
    own_id = f"{kind.value}_id"
    return Notice(
        outcome=Outcome.FAILED if content.get("status") in FAILED_STATES else Outcome.PAID,
        kind=kind,
        order_reference=first_text(content.get("order_id"), order_in(child(data, "metadata")), data.get("order_id")),
        reference=first_text(content.get(own_id), data.get(own_id)),
        checkout_reference=first_text(content.get("checkout_id"), data.get("checkout_id")),
        charge_references=texts(first_text(content.get("payment_id"), data.get("payment_id"))),
        amount_minor=first_amount(content.get("amount_in_cents"), data.get("amount_in_cents")),
        currency=currency(content.get("currency"), data.get("currency")),
    )


def _charge_id(content: dict[str, Any]) -> str:
    data = child(content, "data")
    return first_text(content.get("payment_id"), content.get("reference"), data.get("payment_id"), data.get("id"))


def _event(content: dict[str, Any]) -> str:
    """What happened, in the provider's word. A `type` without a full stop is no event, but says what something is."""
    event = content.get("event", content.get("type"))
    if not isinstance(event, str) or not ("event" in content or "." in event):
        return ""
    return event


def _outcome(content: dict[str, Any]) -> Outcome:
    event, state = _event(content), content.get("status")
    if event.partition(".")[0] in NOT_MONEY:
        return Outcome.PENDING
    words = (event, PAID_EVENTS, FAILED_EVENTS, PENDING_EVENTS), (state, PAID_STATES, FAILED_STATES, PENDING_STATES)
    for word, *known in words:
        for outcome, names in zip((Outcome.PAID, Outcome.FAILED, Outcome.PENDING), known, strict=True):
            if isinstance(word, str) and word in names:
                return outcome
    return Outcome.UNKNOWN


def _fits(secret: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except Exception:  # the library raises half a dozen kinds for malformed headers, and every one means no
        return False
    return True
