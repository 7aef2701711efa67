"""Money that a provider gave back or that its payer disputes: recorded, and the order follows as far as it may."""

from django.db import transaction
from django.db.models import OuterRef, Q, Subquery

from audit.services import record
from orders import alerts, journal
from orders.journal import major_units, minor_units
from orders.models import Order, Payment, WebhookDelivery
from orders.places import OWED, TOTAL_PREFIX, given_back
from orders.providers import Kind, Notice, Verdict

from . import matching, status
from .settlement import close, finish_parts, wait_for_a_person

Review, PaymentOutcome = Payment.Review, Payment.Outcome


def take_back(notice: Notice, provider: str, delivery: WebhookDelivery | None) -> str:
    """Store a refund or dispute once and do what follows from it, in the caller's transaction.

    Returns why a person must look at it, or an empty text. Raises matching.Moved.
    """
    order, charge = matching.lock_charge_of(notice, provider)
    row, is_new = _store(notice, provider, delivery, order, charge)
    if row.outcome or not (is_new or notice.is_total or notice.verdict):
        return row.needs_review
    if notice.kind == Kind.DISPUTE:
        _settle_dispute(row, notice, charge, order)
    elif charge is None:
        wait_for_a_person(row, Review.REFUND_FIRST)
    else:
        settle(row, charge, order)
    return row.needs_review


def _settle_dispute(row: Payment, notice: Notice, charge: Payment | None, order: Order | None) -> None:
    """A dispute waits until somebody decides it: a person, or the provider for good. A lost one takes the money."""
    if notice.verdict == Verdict.WON:
        close(row, PaymentOutcome.IGNORED, "Won, says the provider.")
    elif notice.verdict == Verdict.LOST and charge is not None:
        take_rest(row, charge)
        close(row, PaymentOutcome.REFUNDED, "Lost, says the provider.")
        settle(row, charge, order)
    else:
        wait_for_a_person(row, Review.DISPUTE)


def take_rest(row: Payment, charge: Payment) -> None:
    """A refund or dispute that does not say how much, or in a currency that tells nothing: all that is left."""
    if not _fits(row, charge) and charge.amount_minor is not None:
        row.amount_minor, row.currency = max(charge.amount_minor - given_back(charge), 0), charge.currency
        row.save(update_fields=["amount_minor", "currency"])


def note_failure(notice: Notice, provider: str, delivery: WebhookDelivery | None) -> str:
    """A refund that the provider could not carry out: its payer does not have the money, whatever was told before.

    What was booked of an order that is still paid is taken back; one that is refunded stays so, and its guest has a
    claim that a person has to see to. Returns why, once for each refund. Raises matching.Moved.
    """
    order, charge = matching.lock_charge_of(notice, provider)
    row, _ = _store(notice, provider, delivery, order, charge)
    if row.needs_review == Review.REFUND_FAILED:
        return row.needs_review
    if row.outcome:
        record("PAYMENT_REOPENED", row, old={"outcome": row.outcome}, new={"needs_review": Review.REFUND_FAILED})
    row.needs_review, row.outcome, row.reviewed_at, row.reviewed_by = Review.REFUND_FAILED, "", None, None
    row.save(update_fields=["needs_review", "outcome", "reviewed_at", "reviewed_by"])
    alerts.queue_for_payment(row)
    if charge is not None and order is not None and order.status == Order.Status.PAID and not charge.is_waiting:
        _book(row, charge, order)
    return row.needs_review


def settle_early(charge: Payment, order: Order | None) -> None:
    """Apply what came before the charge itself did. Both are locked by the caller."""
    early = matching.early_refunds(charge)
    if not early:
        return
    rows = Payment.objects.filter(pk__in=early).select_for_update(of=("self",), no_key=True)
    for row in rows.order_by("created_at"):
        row.charge, row.order = charge, order
        row.save(update_fields=["charge", "order"])
        if row.kind == Payment.Kind.REFUND and row.needs_review not in OWED:
            settle(row, charge, order)


def settle(row: Payment, charge: Payment, order: Order | None) -> None:
    """Bring the charge and its order, both locked, in line with all that was given back of it."""
    if not _fits(row, charge):
        wait_for_a_person(row, Review.AMOUNT)
    elif charge.is_waiting:
        _settle_unbooked(row, charge)
    elif charge.outcome in (PaymentOutcome.REFUNDED, PaymentOutcome.IGNORED):
        wait_for_a_person(row, Review.NONE)  # it pays nothing here
    elif order is None:
        wait_for_a_person(row, Review.REFUND_FIRST)
    else:
        _settle_order(row, charge, order)


def follow_up(charge: Payment, order: Order) -> None:
    """Book what was given back of a charge before a person gave it this order. Both are locked."""
    charge.taken_back_by.update(order=order)
    refunds = charge.taken_back_by.filter(kind=Payment.Kind.REFUND).exclude(needs_review__in=OWED)
    row = refunds.order_by("-created_at").first()
    if row is not None:
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


def is_whole(charge: Payment, order: Order | None, *, more: int = 0) -> bool:
    """Whether nothing of the charge is left, or would be once so much more went back."""
    whole = charge.amount_minor
    if whole is None and order is not None:
        whole = minor_units(order.total_price)
    return whole is not None and given_back(charge) + more >= whole


def would_refund(row: Payment) -> bool:
    """Whether the order is refunded once a person notes that what this row tells of was given back."""
    charge, order = row.charge, row.order
    if charge is None or order is None or order.status != Order.Status.PAID:
        return False
    if charge.is_waiting or charge.outcome in (PaymentOutcome.REFUNDED, PaymentOutcome.IGNORED):
        return False
    if not _fits(row, charge):
        return charge.amount_minor is not None  # it counts as all that was left
    is_counted = row.kind == Payment.Kind.REFUND and row.needs_review not in OWED
    return is_whole(charge, order, more=0 if is_counted else row.amount_minor or 0)


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
            "currency": notice.currency,
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
        finish_parts(charge.taken_back_by.exclude(pk=row.pk))
        wait_for_a_person(row, Review.NONE)
    else:
        wait_for_a_person(row, Review.PARTIAL)


def _settle_order(row: Payment, charge: Payment, order: Order) -> None:
    """The order that this charge paid. The money is gone, so a guest who is inside does not stop the refund; but
    nobody else is sold their seats, and a person is told."""
    if order.status != Order.Status.PAID:
        wait_for_a_person(row, Review.NONE)
        _finish_owed(row, charge, order)
    elif is_whole(charge, order):
        is_inside = order.checkins.exists()
        status.refund_locked(order, force=True, payment=row)
        wait_for_a_person(row, Review.REFUND_INSIDE if is_inside else _too_much(charge))
    elif _book(row, charge, order):
        wait_for_a_person(row, Review.PARTIAL)


def _finish_owed(row: Payment, charge: Payment, order: Order) -> None:
    """The provider has done what the office had promised."""
    due = charge.taken_back_by.filter(needs_review=Review.REFUND_DUE, outcome=PaymentOutcome.NONE).exclude(pk=row.pk)
    if is_whole(charge, order):
        for promised in due:
            # Its amount came with the provider's own row.
            promised.amount_minor = 0
            promised.save(update_fields=["amount_minor"])
            close(promised, PaymentOutcome.REFUNDED, "Given back at the provider.")


def _too_much(charge: Payment) -> str:
    """A reason to look when more went back than came."""
    is_more = charge.amount_minor is not None and given_back(charge) > charge.amount_minor
    return Review.AMOUNT if is_more else Review.NONE


def _book(row: Payment, charge: Payment, order: Order) -> bool:
    """Bring the journal in line with what was given back of the charge of a paid order. False when nothing more was:
    it is known already, because the provider tells of single refunds and of their total."""
    currency = charge.currency or order.currency
    booked = journal.given_back(order, currency)
    earned = journal.balance(order).get(currency, 0) + booked
    part = min(major_units(given_back(charge)), earned) - booked
    if part:
        journal.refunded(order, part, currency, row)
    return part > 0
