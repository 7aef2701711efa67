"""The one place where a pending order becomes paid, and what was booked of its money."""

from decimal import Decimal

from django.db.models import Sum
from django.utils import timezone

from accounts.models import User
from audit.services import record
from orders import journal, mails
from orders.errors import OrderNotPending
from orders.models import JournalEntry, Order, Payment

MINOR_UNITS = 100  # USD and GTQ both count hundredths


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
    journal.sold(order, payment)
    mails.close_received(order, reason="the order was paid")
    if send_ticket:
        mails.queue_ticket(order)


def minor_units(amount: Decimal) -> int:
    """Whole cents, as providers count."""
    return int(amount * MINOR_UNITS)


def major_units(minor: int) -> Decimal:
    """What `minor_units` made of an amount, back again."""
    return Decimal(minor) / MINOR_UNITS


def booked_refunds(order: Order) -> Decimal:
    """How much of the order's money the journal says was given back, a positive number."""
    refunds = JournalEntry.objects.filter(order=order, kind=JournalEntry.Kind.REFUND)
    return -(refunds.aggregate(sum=Sum("amount"))["sum"] or Decimal(0))
