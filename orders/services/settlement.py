"""The one place where a pending order becomes paid, and where payments are closed without a person."""

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from audit.services import record
from orders import journal, mails
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
    journal.sold(order)
    if payment is not None:
        journal.received(order, payment)
    mails.close_received(order, reason="the order was paid")
    if send_ticket:
        mails.queue_ticket(order)


def finish_parts(rows: QuerySet[Payment]) -> None:
    """The partial refunds that wait for a person have become a whole one."""
    for part in rows.filter(needs_review=Payment.Review.PARTIAL, outcome=Payment.Outcome.NONE):
        close(part, Payment.Outcome.REFUNDED, "The rest was given back as well.")


def close(payment: Payment, outcome: str, note: str) -> None:
    """Say without a person what became of a payment that waits."""
    payment.outcome, payment.outcome_note, payment.reviewed_at = outcome, note, timezone.now()
    payment.save(update_fields=["outcome", "outcome_note", "reviewed_at"])
