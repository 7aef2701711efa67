"""Stripe. Its library is not needed to check a signature: HMAC-SHA256 over `t.body`, the secret taken as it is.

A checkout session and its payment intent each send events of one payment; both carry the intent (`pi_...`), which is
therefore the reference. A refund is told as an object of its own (`re_...`) and as the charge's running total.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from orders.errors import InvalidSignature

from . import Kind, Notice, Outcome, Unreadable, Verdict
from .reading import child, currency, first_amount, first_text, id_of, json_object, order_in, texts

NAME = "stripe"
HEADER = "stripe-signature"
TOLERANCE_SECONDS = 300
TIMESTAMP = re.compile(r"[0-9]{1,12}")
SESSION_OUTCOMES = {
    "completed": Outcome.PAID,
    "async_payment_succeeded": Outcome.PAID,
    "async_payment_failed": Outcome.FAILED,
    "expired": Outcome.FAILED,
}
INTENT_OUTCOMES = {
    "succeeded": Outcome.PAID,
    "processing": Outcome.PENDING,
    "payment_failed": Outcome.FAILED,
    "canceled": Outcome.FAILED,
}
VERDICTS = {"won": Verdict.WON, "warning_closed": Verdict.WON, "lost": Verdict.LOST}
REFUND_STATES = {"succeeded": Outcome.PAID, "pending": Outcome.PENDING, "requires_action": Outcome.PENDING}


def is_configured() -> bool:
    return bool(settings.STRIPE_WEBHOOK_SECRETS)


def recognises(headers: Mapping[str, str]) -> bool:
    return bool(headers.get(HEADER))


def verify(headers: Mapping[str, str], body: bytes) -> str:
    """The event's id. Raises InvalidSignature unless one of the secrets signed these very bytes less than five
    minutes from now, in either direction."""
    moment, signatures = _parts(headers.get(HEADER) or "")
    if abs(time.time() - int(moment)) > TOLERANCE_SECONDS:
        raise InvalidSignature
    signed = f"{moment}.".encode() + body
    expected = [_signature(secret, signed) for secret in settings.STRIPE_WEBHOOK_SECRETS]
    # As bytes: the comparison refuses text beyond ASCII, which anybody can send.
    if not any(hmac.compare_digest(own, theirs.encode()) for own in expected for theirs in signatures):
        raise InvalidSignature
    return _event_id(body)


def speaks(body: bytes) -> bool:
    return True


def notices(body: bytes) -> list[Notice]:
    """What the event says. Raises Unreadable when it is no event."""
    content = json_object(body)
    event, thing = first_text(content.get("type")), child(content, "data", "object")
    if not event or not thing:
        raise Unreadable("no event named")
    name, _, step = event.rpartition(".")
    match name:
        case "checkout.session":
            return [_session(thing, SESSION_OUTCOMES.get(step, Outcome.UNKNOWN))]
        case "payment_intent":
            return [_intent(thing, INTENT_OUTCOMES.get(step, Outcome.UNKNOWN))]
        case "refund" | "charge.refund":
            return [_refund(thing)]
        case "charge.dispute":
            return [_dispute(thing)]
    return _refunds_of(thing) if event == "charge.refunded" else [Notice(Outcome.UNKNOWN)]


# --- Signature ---------------------------------------------------------------------------------------------


def _parts(header: str) -> tuple[str, list[str]]:
    """The one timestamp and all v1 signatures. Raises InvalidSignature."""
    pairs = [part.strip().partition("=")[::2] for part in header.split(",")]
    moments = [value for name, value in pairs if name == "t"]
    signatures = [value for name, value in pairs if name == "v1" and value]
    if len(moments) != 1 or not TIMESTAMP.fullmatch(moments[0]) or not signatures:
        raise InvalidSignature
    return moments[0], signatures


def _signature(secret: str, signed: bytes) -> bytes:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode()


def _event_id(body: bytes) -> str:
    """The id stands in the body. One without it is still told apart from others, and kept."""
    try:
        event_id = first_text(json_object(body).get("id"))
    except Unreadable:
        event_id = ""
    return event_id or f"sha256:{hashlib.sha256(body).hexdigest()}"


# --- Objects -----------------------------------------------------------------------------------------------


def _session(session: dict[str, Any], outcome: Outcome) -> Notice:
    if outcome == Outcome.PAID and session.get("payment_status") != "paid":
        # "completed" only says that the guest is through the form: a bank transfer may still be on its way.
        outcome = Outcome.PENDING
    return Notice(
        outcome=outcome,
        order_reference=order_in(child(session, "metadata")) or first_text(session.get("client_reference_id")),
        reference=id_of(session.get("payment_intent")) or id_of(session),
        checkout_reference=id_of(session),
        amount_minor=first_amount(session.get("amount_total")),
        currency=currency(session.get("currency")),
        payer_email=first_text(child(session, "customer_details").get("email"), session.get("customer_email")),
    )


def _intent(intent: dict[str, Any], outcome: Outcome) -> Notice:
    return Notice(
        outcome=outcome,
        order_reference=order_in(child(intent, "metadata")),
        reference=id_of(intent),
        amount_minor=first_amount(intent.get("amount_received"), intent.get("amount")),
        currency=currency(intent.get("currency")),
        payer_email=first_text(intent.get("receipt_email")),
    )


def _refunds_of(charge: dict[str, Any]) -> list[Notice]:
    """Each refund where the event lists them; newer versions of the API only tell their total."""
    listed = child(charge, "refunds").get("data")
    each = [refund for refund in listed if isinstance(refund, dict)] if isinstance(listed, list) else []
    if each:
        return [_refund({"payment_intent": charge.get("payment_intent"), **refund}) for refund in each]
    return [
        Notice(
            outcome=Outcome.PAID,
            kind=Kind.REFUND,
            reference=id_of(charge),
            charge_references=_charge_ids(charge),
            order_reference=order_in(child(charge, "metadata")),
            amount_minor=first_amount(charge.get("amount_refunded")),
            is_total=True,
            currency=currency(charge.get("currency")),
        )
    ]


def _refund(refund: dict[str, Any]) -> Notice:
    state = refund.get("status")
    return Notice(
        outcome=REFUND_STATES.get(state, Outcome.FAILED) if isinstance(state, str) else Outcome.PAID,
        kind=Kind.REFUND,
        reference=id_of(refund),
        charge_references=_charge_ids(refund),
        amount_minor=first_amount(refund.get("amount")),
        currency=currency(refund.get("currency")),
    )


def _dispute(dispute: dict[str, Any]) -> Notice:
    return Notice(
        outcome=Outcome.PAID,
        kind=Kind.DISPUTE,
        reference=id_of(dispute),
        charge_references=_charge_ids(dispute),
        verdict=VERDICTS.get(first_text(dispute.get("status")), Verdict.OPEN),
        amount_minor=first_amount(dispute.get("amount")),
        currency=currency(dispute.get("currency")),
    )


def _charge_ids(thing: dict[str, Any]) -> tuple[str, ...]:
    own = id_of(thing) if thing.get("object") == "charge" else ""
    return texts(id_of(thing.get("payment_intent")), id_of(thing.get("charge")), own)
