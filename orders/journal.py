"""The journal: what happened to seats and money, added in the transaction that made it happen.

Money is Decimal in the currency of the entry; seats and money are signed. Test orders move neither.
"""

from decimal import Decimal
from typing import Any

from django.db.models import Sum

from .models import JournalEntry, Order, Payment

Kind = JournalEntry.Kind
# What the house earned: the prices of its sales, as the money really was, less what it gave back. Fees are the
# provider's and stand beside.
EARNINGS = (Kind.SALE, Kind.ADJUSTMENT, Kind.REFUND)
MINOR_UNITS = 100  # USD and GTQ both count hundredths


def reserved(order: Order) -> None:
    _write(Kind.RESERVED, order, seats=order.quantity)


def reservation(order: Order) -> JournalEntry:
    """The unsaved entry of a new order's seats, to be inserted together with the order."""
    return _entry(Kind.RESERVED, order, seats=order.quantity)


def released(order: Order) -> None:
    """Once per order: a second release breaks `unique_journal_step_per_order` and takes its transaction with it."""
    _write(Kind.RELEASED, order, seats=-order.quantity)


def sold(order: Order) -> None:
    """The order was paid, at its price; `received` tells what the money really was."""
    _write(Kind.SALE, order, amount=order.total_price)


def received(order: Order, charge: Payment) -> None:
    """The money of a sold order: what it differs from the price (another currency takes the place of the price), and
    the fee that the provider kept, where it said so."""
    if charge.amount_minor is not None:
        if charge.currency in ("", order.currency):
            _adjust(order, major_units(charge.amount_minor) - order.total_price, order.currency, charge)
        else:
            _adjust(order, -order.total_price, order.currency, charge)
            _adjust(order, major_units(charge.amount_minor), charge.currency, charge)
    if charge.fee_minor:
        fee(order, charge)


def fee(order: Order, charge: Payment) -> None:
    """What the provider kept of a charge that says so."""
    currency = charge.currency or order.currency
    _write(Kind.FEE, order, amount=-major_units(charge.fee_minor or 0), currency=currency, payment=charge)


def refunded(order: Order, amount: Decimal, currency: str, payment: Payment | None = None) -> None:
    """`amount` is what the guest got back, a positive number (negative: a refund that did not happen after all);
    several parts are several entries."""
    _write(Kind.REFUND, order, amount=-amount, currency=currency, payment=payment)


def balance(order: Order) -> dict[str, Decimal]:
    """What the house has of the order's money by currency, after what was given back; nothing where that is zero."""
    entries = JournalEntry.objects.filter(order=order, kind__in=EARNINGS).order_by()
    sums = entries.values_list("currency").annotate(Sum("amount"))
    return {currency: amount for currency, amount in sums if amount}


def given_back(order: Order, currency: str) -> Decimal:
    """How much of the order's money was given back in this currency, a positive number."""
    refunds = JournalEntry.objects.filter(order=order, kind=Kind.REFUND, currency=currency)
    return -(refunds.aggregate(sum=Sum("amount"))["sum"] or Decimal(0))


def minor_units(amount: Decimal) -> int:
    """Whole cents, as providers count."""
    return int(amount * MINOR_UNITS)


def major_units(minor: int) -> Decimal:
    """What `minor_units` made of an amount, back again."""
    return Decimal(minor) / MINOR_UNITS


def _adjust(order: Order, difference: Decimal, currency: str, charge: Payment) -> None:
    if difference:
        _write(Kind.ADJUSTMENT, order, amount=difference, currency=currency, payment=charge)


def _write(kind: str, order: Order, **values: Any) -> None:
    if not order.is_test:
        _entry(kind, order, **values).save(force_insert=True)


def _entry(
    kind: str,
    order: Order,
    *,
    seats: int = 0,
    amount: Decimal = Decimal(0),
    currency: str = "",
    payment: Payment | None = None,
) -> JournalEntry:
    return JournalEntry(
        kind=kind,
        order=order,
        event_id=order.event_id,
        tier_id=order.tier_id,
        payment=payment,
        seats=seats,
        amount=amount,
        currency=currency or order.currency,
    )
