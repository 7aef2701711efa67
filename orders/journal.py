"""The journal: what happened to seats and money, added in the transaction that made it happen.

Money is Decimal in the order's currency; seats and money are signed. Test orders move neither.
"""

from decimal import Decimal

from .models import JournalEntry, Order, Payment

Kind = JournalEntry.Kind


def reserved(order: Order) -> None:
    _write(Kind.RESERVED, order, seats=order.quantity)


def released(order: Order) -> None:
    """Once per order: a second release breaks `unique_journal_step_per_order` and takes its transaction with it."""
    _write(Kind.RELEASED, order, seats=-order.quantity)


def sold(order: Order, payment: Payment | None = None) -> None:
    _write(Kind.SALE, order, amount=order.total_price, payment=payment)
    if payment is not None and payment.fee_minor:
        _write(Kind.FEE, order, amount=-Decimal(payment.fee_minor) / 100, payment=payment)


def refunded(order: Order, amount: Decimal, payment: Payment | None = None) -> None:
    """`amount` is what the guest got back, a positive number; several parts are several entries."""
    _write(Kind.REFUND, order, amount=-amount, payment=payment)


def _write(
    kind: str, order: Order, *, seats: int = 0, amount: Decimal = Decimal(0), payment: Payment | None = None
) -> None:
    if order.is_test:
        return
    JournalEntry.objects.create(
        kind=kind,
        order=order,
        event_id=order.event_id,
        tier_id=order.tier_id,
        payment=payment,
        seats=seats,
        amount=amount,
        currency=order.currency,
    )
