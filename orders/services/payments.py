"""Money: a signed notice becomes a paid order, or a payment that waits for a person. Never dropped, never guessed."""

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from audit.services import record
from events.queries import as_uuid
from orders import mails
from orders.errors import OrderNotPending
from orders.models import Order, Payment, WebhookDelivery
from orders.providers import Notice, Outcome, Unreadable, standard

MINOR_UNITS = 100  # USD and GTQ both count hundredths


@dataclass(frozen=True)
class Result:
    """What became of a delivery, in the words of contract 2.8."""

    processed: bool
    reason: str = ""


def store_delivery(*, provider: str, event_id: str, body: bytes, headers: dict[str, str]) -> WebhookDelivery:
    """Keep the raw delivery before anything else is done. A replay finds the row that is already there."""
    delivery, _ = WebhookDelivery.objects.get_or_create(
        provider=provider, event_id=_short(event_id), defaults={"body": body, "headers": headers}
    )
    return delivery


@transaction.atomic
def apply_delivery(delivery_id: Any) -> Result:
    """Do what a stored delivery says, once. Applying it again repeats the result and changes nothing."""
    delivery = WebhookDelivery.objects.select_for_update(of=("self",), no_key=True).get(pk=delivery_id)
    if delivery.status in (WebhookDelivery.Status.APPLIED, WebhookDelivery.Status.IGNORED):
        return Result(delivery.status == WebhookDelivery.Status.APPLIED, delivery.reason)
    try:
        results = [_apply(notice, delivery) for notice in standard.notices(bytes(delivery.body))]
    except Unreadable as error:
        results = [Result(False, f"unreadable: {error}")]
    result = next((each for each in results if not each.processed), Result(True))
    delivery.status = WebhookDelivery.Status.APPLIED if result.processed else WebhookDelivery.Status.IGNORED
    delivery.reason = result.reason
    delivery.attempts += 1
    delivery.processed_at = timezone.now()
    delivery.save(update_fields=["status", "reason", "attempts", "processed_at"])
    return result


def _apply(notice: Notice, delivery: WebhookDelivery) -> Result:
    if notice.outcome != Outcome.PAID:
        # Failed and unknown states change nothing; the delivery itself is kept.
        return Result(True) if notice.order_reference else Result(False, "no_order_id")
    order = _lock_order(notice.order_reference)
    payment, is_new = Payment.objects.get_or_create(
        provider=delivery.provider,
        reference=notice.reference or delivery.event_id,
        defaults={
            "order": order,
            "delivery": delivery,
            "amount_minor": notice.amount_minor,
            "currency": notice.currency[:3],
            "payer_email": notice.payer_email,
            "needs_review": reason_for_review(order, notice),
        },
    )
    if not is_new and (order is None or payment.order_id == order.pk):
        return Result(not payment.needs_review, payment.needs_review)
    if not is_new:
        # Merchants may reuse a reference. This is other money than that of the order it paid before.
        payment = _keep_reused_reference(payment, order, notice, delivery)
    if payment.needs_review or order is None:
        missing = "order_not_found" if notice.order_reference else "no_order_id"
        return Result(False, missing if order is None else payment.needs_review)
    mark_paid(order, provider=delivery.provider, reference=payment.reference)
    return Result(True)


def _keep_reused_reference(known: Payment, order: Order | None, notice: Notice, delivery: WebhookDelivery) -> Payment:
    return Payment.objects.create(
        provider=known.provider,
        reference=f"{known.reference[:120]} in {delivery.event_id[:120]}",
        order=order,
        delivery=delivery,
        amount_minor=notice.amount_minor,
        currency=notice.currency[:3],
        payer_email=notice.payer_email,
        needs_review=Payment.Review.DOUBLE,
    )


def _short(event_id: str) -> str:
    """An id as it fits the column. A long one is hashed, not cut: two of them must not become one."""
    return event_id if len(event_id) <= 255 else hashlib.sha256(event_id.encode()).hexdigest()


def reason_for_review(order: Order | None, notice: Notice) -> str:
    """Why a person must look at this money, or an empty text when it simply pays the order."""
    if order is None:
        return Payment.Review.UNKNOWN
    if order.status == Order.Status.PAID:
        return Payment.Review.DOUBLE
    if order.status != Order.Status.PENDING:
        return Payment.Review.LATE
    if (notice.amount_minor, notice.currency) != (minor_units(order.total_price), order.currency):
        return Payment.Review.AMOUNT
    return Payment.Review.NONE


def mark_paid(
    order: Order, *, provider: str, reference: str | None, actor: User | None = None, send_ticket: bool = True
) -> None:
    """Make a pending order paid and queue its ticket, in the caller's transaction, which holds the order's lock
    or has just inserted it. Raises OrderNotPending."""
    if order.status != Order.Status.PENDING:
        raise OrderNotPending
    order.status = Order.Status.PAID
    order.payment_provider = provider
    order.payment_reference = reference
    order.payment_confirmed_at = timezone.now()
    order.payment_confirmed_by = actor
    order.save(
        update_fields=[
            "status",
            "payment_provider",
            "payment_reference",
            "payment_confirmed_at",
            "payment_confirmed_by",
        ]
    )
    change = {"status": Order.Status.PAID, "provider": provider}
    record("STATUS_CHANGE", order, actor=actor, old={"status": Order.Status.PENDING}, new=change)
    if send_ticket:
        mails.queue_ticket(order)


def minor_units(amount: Decimal) -> int:
    """Whole cents, as providers count."""
    return int(amount * MINOR_UNITS)


def _lock_order(reference: str) -> Order | None:
    """The order a notice names, by number and then by id, locked against every other change of it."""
    if not reference:
        return None
    order_id = as_uuid(reference.lower())
    named = Q(order_number=reference.upper()) | (Q(pk=order_id) if order_id else Q())
    return (
        Order.objects.select_for_update(of=("self",), no_key=True).select_related("event", "tier").filter(named).first()
    )
