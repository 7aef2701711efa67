"""Recurrente (Guatemala), delivered by Svix.

Two families of events tell of one payment (`payment_intent.succeeded` and `intent.succeeded`, for bank transfers
`bank_transfer_intent.succeeded`), with different event ids and different object ids; what they share is the checkout
(`ch_...`). The documented shapes disagree: the API reference is flat (`event_type`, `checkout{id, metadata}`,
`amount_in_cents`), the help centre puts `amount`, `checkout_id` and `metadata` under `data`. Both are read.
An `amount` of unknown unit is taken for cents: were it whole quetzales it would fit no order and wait for a person.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from . import Kind, Notice, Outcome, Unreadable, standard
from .reading import child, currency, first_amount, first_text, id_of, json_object, order_in, texts

NAME = "recurrente"
CHARGED_THINGS = {"intent", "payment", "checkout"}
# A card kept for later, our own account, a plan: no guest pays by these.
NOT_CHARGED = {"setup_intent", "payout"}
NO_MONEY_STEPS = {"create", "created", "update", "updated", "expired", "past_due", "paused", "unpaused"}
OUTCOMES = {
    "succeeded": Outcome.PAID,
    "paid": Outcome.PAID,
    "completed": Outcome.PAID,
    "pending": Outcome.PENDING,
    "processing": Outcome.PENDING,
    "failed": Outcome.FAILED,
    "canceled": Outcome.FAILED,
    "cancelled": Outcome.FAILED,
}
PAID_STEPS = {step for step, outcome in OUTCOMES.items() if outcome == Outcome.PAID}
REFUND_STATES = {"pending": Outcome.PENDING, "failed": Outcome.FAILED, "voided": Outcome.FAILED}


def secrets() -> list[str]:
    """Its own ones, or those of the common webhook while it has none."""
    return settings.RECURRENTE_WEBHOOK_SECRETS or settings.PAYMENT_WEBHOOK_SECRETS


def is_configured() -> bool:
    return bool(secrets())


def recognises(headers: Mapping[str, str]) -> bool:
    return standard.recognises(headers)


def verify(headers: Mapping[str, str], body: bytes) -> str:
    """The event's svix-id. Raises InvalidSignature."""
    return standard.verify_with(secrets(), headers, body)


def speaks(body: bytes) -> bool:
    """Whether a body, signed with a secret that verify accepts, is Recurrente's: its own secrets prove it, under the
    common ones the shape has to."""
    if settings.RECURRENTE_WEBHOOK_SECRETS:
        return True
    try:
        content = json_object(body)
    except Unreadable:
        return False
    event, data = content.get("event"), child(content, "data")
    return isinstance(content.get("event_type"), str) or (
        isinstance(event, str) and ("intent." in event or "checkout_id" in data)
    )


def notices(body: bytes) -> list[Notice]:
    """What the delivery says. Raises Unreadable for a shape that names no event."""
    content = json_object(body)
    event = first_text(content.get("event_type"), content.get("event")).lower()
    if not event:
        raise Unreadable("no event named")
    thing, _, step = event.rpartition(".")
    match thing:
        case "refund":
            return [_refund(content)]
        case "dispute":
            return [_dispute(content)]
    return [_charge(content, _outcome(thing, step))]


def _outcome(thing: str, step: str) -> Outcome:
    if thing in NOT_CHARGED or step in NO_MONEY_STEPS:
        return Outcome.PENDING
    is_charge = thing in CHARGED_THINGS or thing.endswith("_intent")
    # Of what else there is, a person decides.
    return OUTCOMES.get(step, Outcome.UNKNOWN) if is_charge or step not in PAID_STEPS else Outcome.UNKNOWN


def _charge(content: dict[str, Any], outcome: Outcome) -> Notice:
    data = _facts(content)
    return Notice(
        outcome=outcome,
        order_reference=_order(data),
        reference=first_text(data.get("id"), data.get("payment_id")),
        checkout_reference=_checkout(data),
        charge_references=texts(
            id_of(data.get("payment")),
            id_of(child(data, "checkout").get("payment")),
            id_of(child(data, "checkout").get("latest_intent")),
        ),
        amount_minor=first_amount(data.get("amount_in_cents"), data.get("amount")),
        fee_minor=first_amount(data.get("fee_in_cents"), data.get("fee")),
        currency=currency(data.get("currency")),
        payer_email=first_text(child(data, "customer").get("email"), data.get("customer_email")),
    )


def _refund(content: dict[str, Any]) -> Notice:
    """The customer's amount counts: the account's is smaller by fees that are not the guest's business."""
    data = _facts(content)
    refund = child(data, "refund") or data
    parent = child(data, "intentable") or data
    state = refund.get("status")
    return Notice(
        outcome=REFUND_STATES.get(state, Outcome.PAID) if isinstance(state, str) else Outcome.PAID,
        kind=Kind.REFUND,
        order_reference=_order(parent),
        reference=first_text(refund.get("id")),
        checkout_reference=_checkout(parent),
        charge_references=_charge_ids(data),
        amount_minor=first_amount(
            refund.get("customer_refunded_amount_in_cents"), refund.get("amount_in_cents"), refund.get("amount")
        ),
        currency=currency(refund.get("currency"), parent.get("currency")),
    )


def _dispute(content: dict[str, Any]) -> Notice:
    data = _facts(content)
    dispute = child(data, "dispute") or data
    parent = child(data, "intentable") or data
    return Notice(
        outcome=Outcome.PAID,
        kind=Kind.DISPUTE,
        order_reference=_order(parent),
        reference=first_text(dispute.get("id")),
        checkout_reference=_checkout(parent),
        charge_references=_charge_ids(data),
        amount_minor=first_amount(dispute.get("amount_in_cents"), dispute.get("amount"), parent.get("amount_in_cents")),
        currency=currency(dispute.get("currency"), parent.get("currency")),
    )


def _facts(content: dict[str, Any]) -> dict[str, Any]:
    """Both shapes as one: what stands under `data` beside what stands at the top."""
    return {**content, **child(content, "data")}


def _checkout(facts: dict[str, Any]) -> str:
    return first_text(id_of(facts.get("checkout")), facts.get("checkout_id"))


def _order(facts: dict[str, Any]) -> str:
    """From the metadata. The address field was once used for order numbers as well (contract 2.8)."""
    address = first_text(facts.get("customer_email"))
    number = order_in(child(facts, "checkout", "metadata"), child(facts, "metadata"))
    return number or (address if "@" not in address else "")


def _charge_ids(facts: dict[str, Any]) -> tuple[str, ...]:
    """Every id the charge may have come under: the old family's, the new one's and the payment's."""
    parent = child(facts, "intentable")
    return texts(
        id_of(parent),
        first_text(facts.get("payment_intent_id"), facts.get("intent_id")),
        id_of(child(parent, "checkout").get("latest_intent")),
        id_of(parent.get("payment")),
        id_of(facts.get("payment_intent")),
        id_of(facts.get("payment")),
        first_text(facts.get("payment_id")),
    )
