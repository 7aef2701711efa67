"""Do the counters agree with the journal? Each function names what does not, one sentence a difference."""

from collections.abc import Iterator
from decimal import Decimal

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from events.models import TicketTier

from . import journal
from .journal import EARNINGS, major_units
from .models import JournalEntry, Order, Payment
from .places import Place, given_back, settled_charges, with_place

Kind = JournalEntry.Kind
Status = Order.Status
LIVE = (Status.PENDING, Status.PAID)


def differences() -> list[str]:
    """Everything that does not add up, in words; empty when the books are in order."""
    checks = (
        stock,
        seats_of_orders,
        money_of_orders,
        balances,
        charges_without_a_place,
        orders_paid_twice,
        money_of_charges,
        refunds_of_charges,
    )
    return [difference for check in checks for difference in check()]


def stock() -> Iterator[str]:
    """`sold` of each tier against the journal's seats."""
    moved = JournalEntry.objects.filter(tier=OuterRef("pk")).order_by().values("tier").annotate(n=Sum("seats"))
    tiers = TicketTier.objects.annotate(moved=Coalesce(Subquery(moved.values("n")), 0)).exclude(sold=F("moved"))
    for tier in tiers.order_by("pk"):
        yield f"tier {tier.pk}: sold is {tier.sold}, the journal says {tier.moved}"


def seats_of_orders() -> Iterator[str]:
    """A live order holds its seats, a cancelled one holds none; one refunded after check-in may keep them."""
    orders = _real_orders().annotate(held=Coalesce(_sum("seats"), 0))
    wrong = Q(status__in=LIVE) & ~Q(held=F("quantity")) | Q(status=Status.CANCELLED) & ~Q(held=0)
    wrong |= Q(status=Status.REFUNDED, checkins__isnull=True) & ~Q(held=0)
    for order in orders.filter(wrong).order_by("pk"):
        yield f"order {order.order_number} is {order.status}: the journal holds {order.held} of {order.quantity} seats"


def money_of_orders() -> Iterator[str]:
    """What was sold is the price of orders that were ever paid."""
    orders = _real_orders().annotate(earned=Coalesce(_sum("amount", Kind.SALE), Decimal(0)))
    is_unpaid = Q(status__in=(Status.PENDING, Status.CANCELLED))
    wrong = is_unpaid & ~Q(earned=0) | ~is_unpaid & ~Q(earned=F("total_price"))
    for order in orders.filter(wrong).order_by("pk"):
        yield f"order {order.order_number} is {order.status} over {order.total_price}: the journal sold {order.earned}"


def balances() -> Iterator[str]:
    """A refunded order has given everything back, and none more than it earned."""
    earnings = JournalEntry.objects.filter(kind__in=EARNINGS).order_by("order", "currency")
    left = earnings.values("order__order_number", "order__status", "currency").annotate(left=Sum("amount"))
    wrong = Q(order__status=Status.REFUNDED) & ~Q(left=0) | Q(left__lt=0)
    for row in left.filter(wrong):
        number, status = row["order__order_number"], row["order__status"]
        yield f"order {number} is {status}: the journal has {row['left']} {row['currency']} of it left"


def charges_without_a_place() -> Iterator[str]:
    """Every captured amount is ticketed, given back, or waits for a person."""
    charges = with_place(Payment.objects.filter(kind=Payment.Kind.CHARGE))
    for payment in charges.filter(place=Place.NOWHERE).order_by("pk"):
        yield f"payment {payment.pk} of {payment.provider} pays no order and waits for nobody"


def orders_paid_twice() -> Iterator[str]:
    """One charge is the money of an order; any other one waits or went back."""
    charges = settled_charges().exclude(order=None).order_by("order__order_number")
    for row in charges.values("order__order_number").annotate(n=Count("pk")).filter(n__gt=1):
        yield f"order {row['order__order_number']}: {row['n']} payments count as its money"


def money_of_charges() -> Iterator[str]:
    """What the journal earned with an order is what its charge brought, in the currency that it came in."""
    charges = settled_charges().filter(order__is_test=False).exclude(amount_minor=None).exclude(currency="")
    earned = JournalEntry.objects.filter(order=OuterRef("order"), kind__in=(Kind.SALE, Kind.ADJUSTMENT))
    of_charge = earned.filter(currency=OuterRef("currency")).order_by().values("order").annotate(n=Sum("amount"))
    charges = charges.annotate(minor=Coalesce(Subquery(of_charge.values("n")), Decimal(0)) * 100)
    for charge in charges.exclude(minor=F("amount_minor")).select_related("order").order_by("pk"):
        booked = major_units(int(charge.minor))
        yield f"payment {charge.pk} brought {charge.amount_text}, the journal has {booked} for its order {charge.order}"


def refunds_of_charges() -> Iterator[str]:
    """Of an order that is still paid, the journal gave back what its provider gave back, and nothing else."""
    charges = settled_charges().filter(order__status=Status.PAID, order__is_test=False, taken_back_by__isnull=False)
    for charge in charges.select_related("order").distinct().order_by("pk"):
        assert charge.order is not None
        currency = charge.currency or charge.order.currency
        told, booked = major_units(given_back(charge)), journal.given_back(charge.order, currency)
        if booked != told:
            yield f"order {charge.order}: the provider gave back {told:.2f} {currency}, the journal has {booked:.2f}"


def _real_orders() -> QuerySet[Order]:
    return Order.objects.filter(is_test=False)


def _sum(column: str, kind: str = "") -> Subquery:
    entries = JournalEntry.objects.filter(order=OuterRef("pk"), **({"kind": kind} if kind else {})).order_by()
    return Subquery(entries.values("order").annotate(total=Sum(column)).values("total"))
