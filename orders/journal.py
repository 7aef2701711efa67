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


def sale(order: Order, charge: Payment | None = None) -> list[JournalEntry]:
    """The unsaved entries of an order that becomes paid: its price, and what the money really was."""
    if order.is_test:
        return []
    return [_entry(Kind.SALE, order, amount=order.total_price), *(_receipt(order, charge) if charge else ())]


def sold(order: Order) -> None:
    """The order was paid, at its price."""
    _save(sale(order))


def received(order: Order, charge: Payment) -> None:
    """The money of an order that was sold without it."""
    if not order.is_test:
        _save(_receipt(order, charge))


def _receipt(order: Order, charge: Payment) -> list[JournalEntry]:
    """What the money of a sold order differs from the price (another currency takes the place of the price), and
    the fee that the provider kept, where it said so."""
    entries = []
    if charge.amount_minor is not None:
        came = major_units(charge.amount_minor)
        if charge.currency in ("", order.currency):
            entries += _adjustment(order, came - order.total_price, order.currency, charge)
        else:
            entries += _adjustment(order, -order.total_price, order.currency, charge)
            entries += _adjustment(order, came, charge.currency, charge)
    if charge.fee_minor:
        entries.append(_fee(order, charge))
    return entries


def fee(order: Order, charge: Payment) -> None:
    """What the provider kept of a charge that says so."""
    if not order.is_test:
        _save([_fee(order, charge)])


def _fee(order: Order, charge: Payment) -> JournalEntry:
    currency = charge.currency or order.currency
    return _entry(Kind.FEE, order, amount=-major_units(charge.fee_minor or 0), currency=currency, payment=charge)


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


def _adjustment(order: Order, difference: Decimal, currency: str, charge: Payment) -> list[JournalEntry]:
    if not difference:
        return []
    return [_entry(Kind.ADJUSTMENT, order, amount=difference, currency=currency, payment=charge)]


def _write(kind: str, order: Order, **values: Any) -> None:
    if not order.is_test:
        _save([_entry(kind, order, **values)])


def _save(entries: list[JournalEntry]) -> None:
    for entry in entries:
        entry.save(force_insert=True)


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
