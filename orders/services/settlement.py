"""The one place where a pending order becomes paid, and where payments are closed without a person."""

from django.db.models import Model, QuerySet
from django.utils import timezone

from accounts.models import User
from audit.services import unsaved
from homeproductions.statements import Part, run, saved, update_of, with_parts
from orders import alerts, journal, mails, places
from orders.errors import OrderNotPending
from orders.models import Order, Payment


def mark_paid(
    order: Order,
    *,
    provider: str,
    reference: str | None,
    actor: User | None = None,
    payment: Payment | None = None,
    send_ticket: bool = True,
) -> None:
    """Make a pending order paid and queue its ticket, in the caller's transaction, which holds the order's lock
    or has just inserted it. A `payment` that is not stored yet is stored along with it. Raises OrderNotPending."""
    if order.status != Order.Status.PENDING:
        raise OrderNotPending
    order.status = Order.Status.PAID
    order.payment_provider = provider
    order.payment_reference = reference
    order.payment_confirmed_at = timezone.now()
    order.payment_confirmed_by = actor
    change = {"status": Order.Status.PAID, "provider": provider}
    history = unsaved("STATUS_CHANGE", order, actor=actor, old={"status": Order.Status.PENDING}, new=change)
    new = [payment] if payment is not None and payment._state.adding else []
    close = mails.closing_received(order, reason="the order was paid")
    ticket = mails.first_ticket(order) if send_ticket else []
    parts: list[Model | Part] = [*new, history, *journal.sale(order, payment), close, *ticket]
    # One statement: a round trip costs more than the row that it brings.
    run(*with_parts(update_of(order, *OF_PAYMENT), "paid", parts, "true"))
    for row in new:
        saved(row)


OF_PAYMENT = ("status", "payment_provider", "payment_reference", "payment_confirmed_at", "payment_confirmed_by")


def owe_refund(order: Order) -> None:
    """The office took a paid order back, in the caller's transaction: what its provider still has of the money waits
    until the provider tells of its refund, or a person that it was made. No mail: whoever did it was told."""
    for charge in places.settled_charges().filter(order=order):
        whole = charge.amount_minor if charge.amount_minor is not None else journal.minor_units(order.total_price)
        rest = whole - places.given_back(charge)
        if rest > 0:
            Payment.objects.create(
                order=order,
                charge=charge,
                kind=Payment.Kind.REFUND,
                provider=charge.provider,
                reference=f"due:{charge.pk}",
                amount_minor=rest,
                currency=charge.currency or order.currency,
                needs_review=Payment.Review.REFUND_DUE,
            )


def wait_for_a_person(payment: Payment, reason: str) -> None:
    """Note why a payment must be looked at, or that it need not be any more; one that is not stored yet is stored.
    Mails the staff the first time only. What a person has decided about stays as they saw it."""
    if payment.outcome:
        return
    before, payment.needs_review = payment.needs_review, reason
    payment.save(update_fields=None if payment._state.adding else ["needs_review"])
    if reason and not before:
        alerts.queue_for_payment(payment)


def finish_parts(rows: QuerySet[Payment]) -> None:
    """The partial refunds that wait for a person have become a whole one."""
    for part in rows.filter(needs_review=Payment.Review.PARTIAL, outcome=Payment.Outcome.NONE):
        close(part, Payment.Outcome.REFUNDED, "The rest was given back as well.")


def close(payment: Payment, outcome: str, note: str) -> None:
    """Say without a person what became of a payment that waits."""
    payment.outcome, payment.outcome_note, payment.reviewed_at = outcome, note, timezone.now()
    payment.save(update_fields=["outcome", "outcome_note", "reviewed_at"])
