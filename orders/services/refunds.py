"""Money that a provider gave back or that its payer disputes: recorded, and the order follows as far as it may."""

from decimal import Decimal

from django.db import transaction
from django.db.models import Max, OuterRef, Q, Subquery, Sum
from django.utils import timezone

from orders import alerts, journal
from orders.models import Order, Payment, WebhookDelivery
from orders.providers import Kind, Notice

from . import matching, status
from .settlement import booked_refunds, major_units, minor_units

Review, PaymentOutcome = Payment.Review, Payment.Outcome
# The row that holds the running total of a charge, beside the rows of its single refunds.
TOTAL_PREFIX = "total:"


def take_back(notice: Notice, provider: str, delivery: WebhookDelivery | None) -> str:
    """Store a refund or dispute once and do what follows from it, in the caller's transaction.

    Returns why a person must look at it, or an empty text. Raises matching.Moved.
    """
    order, charge = matching.lock_charge_of(notice, provider)
    row, is_new = _store(notice, provider, delivery, order, charge)
    if row.outcome or not (is_new or notice.is_total):
        return row.needs_review
    if notice.kind == Kind.DISPUTE:
        wait_for_a_person(row, Review.DISPUTE)
    elif charge is None:
        wait_for_a_person(row, Review.REFUND_FIRST)
    else:
        settle(row, charge, order)
    return row.needs_review


def settle_early(charge: Payment, order: Order | None) -> None:
    """Apply what came before the charge itself did. Both are locked by the caller."""
    for row in matching.early_refunds(charge).select_for_update(of=("self",), no_key=True).order_by("created_at"):
        row.charge, row.order = charge, order
        row.save(update_fields=["charge", "order"])
        if row.kind == Payment.Kind.REFUND:
            settle(row, charge, order)


def settle(row: Payment, charge: Payment, order: Order | None) -> None:
    """Bring the charge and its order, both locked, in line with all that was given back of it."""
    if not _fits(row, charge):
        wait_for_a_person(row, Review.AMOUNT)
    elif charge.is_waiting:
        _settle_unbooked(row, charge)
    elif charge.outcome == PaymentOutcome.REFUNDED:
        wait_for_a_person(row, Review.NONE)
    elif charge.outcome == PaymentOutcome.IGNORED or order is None:
        wait_for_a_person(row, Review.REFUND_FIRST)
    else:
        _settle_order(row, charge, order)


def follow_up(charge: Payment, order: Order) -> None:
    """Book what was given back of a charge before a person gave it this order. Both are locked."""
    row = charge.taken_back_by.filter(kind=Payment.Kind.REFUND).order_by("-created_at").first()
    if row is not None:
        charge.taken_back_by.update(order=order)
        settle(row, charge, order)


def settle_met() -> int:
    """Apply refunds that waited for a charge which arrived in the very same moment, so that neither saw the other.
    Returns how many there were."""
    waiting = Payment.objects.filter(
        charge=None, kind=Payment.Kind.REFUND, needs_review=Review.REFUND_FIRST, outcome=PaymentOutcome.NONE
    ).exclude(checkout_reference=None)
    names = Q(reference=OuterRef("checkout_reference")) | Q(checkout_reference=OuterRef("checkout_reference"))
    charges = Payment.objects.filter(names, provider=OuterRef("provider"), kind=Payment.Kind.CHARGE)
    met = waiting.annotate(met=Subquery(charges.values("pk")[:1])).exclude(met=None)
    charge_ids = set(met.values_list("met", flat=True))
    for charge_id in charge_ids:
        _settle_charge(Payment.objects.get(pk=charge_id))
    return len(charge_ids)


@transaction.atomic
def _settle_charge(seen: Payment) -> None:
    order = status.lock(seen.order_id) if seen.order_id else None
    settle_early(matching.lock_payment(seen, expect_order=seen.order_id), order)


def given_back(charge: Payment) -> int:
    """Minor units given back so far. Providers tell of single refunds, of their total, or of both."""
    refunds = charge.taken_back_by.filter(Q(currency="") | Q(currency=charge.currency), kind=Payment.Kind.REFUND)
    total = Q(reference__startswith=TOTAL_PREFIX)
    sums = refunds.aggregate(single=Sum("amount_minor", filter=~total), total=Max("amount_minor", filter=total))
    return max(sums["single"] or 0, sums["total"] or 0)


def is_whole(charge: Payment, order: Order | None) -> bool:
    """Whether nothing of the charge is left."""
    whole = charge.amount_minor
    if whole is None and order is not None:
        whole = minor_units(order.total_price)
    return whole is not None and given_back(charge) >= whole


def wait_for_a_person(payment: Payment, reason: str) -> None:
    """Note why a payment must be looked at, or that it need not be any more. Mails the staff the first time only."""
    before, payment.needs_review = payment.needs_review, reason
    payment.save(update_fields=["needs_review"])
    if reason and not before:
        alerts.queue_for_payment(payment)


def close(payment: Payment, outcome: str, note: str) -> None:
    """Say without a person what became of a payment that waits."""
    payment.outcome, payment.outcome_note, payment.reviewed_at = outcome, note, timezone.now()
    payment.save(update_fields=["outcome", "outcome_note", "reviewed_at"])


def _store(
    notice: Notice, provider: str, delivery: WebhookDelivery | None, order: Order | None, charge: Payment | None
) -> tuple[Payment, bool]:
    """One row for each refund and dispute. A running total has one row that grows, and never shrinks."""
    reference = notice.reference or (str(delivery.event_id) if delivery else "")
    row, is_new = Payment.objects.select_for_update(of=("self",), no_key=True).get_or_create(
        provider=provider,
        kind=notice.kind.value,
        reference=(TOTAL_PREFIX + reference if notice.is_total else reference)[:255],
        defaults={
            "order": order,
            "charge": charge,
            "delivery": delivery,
            "checkout_reference": notice.checkout_reference or next(iter(notice.charge_references), None),
            "amount_minor": notice.amount_minor,
            "currency": notice.currency[:3],
        },
    )
    if notice.is_total and (notice.amount_minor or 0) > (row.amount_minor or 0):
        row.amount_minor = notice.amount_minor
        row.save(update_fields=["amount_minor"])
    return row, is_new


def _fits(row: Payment, charge: Payment) -> bool:
    return row.amount_minor is not None and row.currency in ("", charge.currency)


def _settle_unbooked(row: Payment, charge: Payment) -> None:
    """The charge paid no order yet: given back whole, it needs nobody any more."""
    if is_whole(charge, None):
        close(charge, PaymentOutcome.REFUNDED, "Given back at the provider.")
        _finish_parts(charge, row)
        wait_for_a_person(row, Review.NONE)
    else:
        wait_for_a_person(row, Review.PARTIAL)


def _settle_order(row: Payment, charge: Payment, order: Order) -> None:
    """The order that this charge paid. The money is gone, so a guest who is inside does not stop the refund; but
    nobody else is sold their seats, and a person is told."""
    if order.status != Order.Status.PAID:
        wait_for_a_person(row, Review.NONE)
    elif is_whole(charge, order):
        is_inside = order.checkins.exists()
        status.refund_locked(order, force=True, payment=row)
        _finish_parts(charge, row)
        wait_for_a_person(row, Review.REFUND_INSIDE if is_inside else Review.NONE)
    elif _book_part(row, charge, order):
        wait_for_a_person(row, Review.PARTIAL)


def _book_part(row: Payment, charge: Payment, order: Order) -> bool:
    """Write what is new of a partial refund to the journal. False when all of it was known already, because the
    provider tells of single refunds and of their total."""
    if charge.currency != order.currency:
        return True  # accepted in another currency; its parts say nothing about the order's
    booked = booked_refunds(order)
    part = min(major_units(given_back(charge)), order.total_price) - booked
    if part > Decimal(0):
        journal.refunded(order, part, row)
    return part > Decimal(0)


def _finish_parts(charge: Payment, last: Payment) -> None:
    """The parts that waited for a person have added up to the whole."""
    parts = charge.taken_back_by.exclude(pk=last.pk).filter(needs_review=Review.PARTIAL, outcome=PaymentOutcome.NONE)
    for part in parts:
        close(part, PaymentOutcome.REFUNDED, "The rest was given back as well.")
