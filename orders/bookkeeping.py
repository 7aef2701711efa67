"""Do the counters agree with the journal? Each function names what does not, one sentence a difference."""

from collections.abc import Iterator
from decimal import Decimal

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from events.models import TicketTier

from .models import JournalEntry, Order, Payment

Kind = JournalEntry.Kind
Status = Order.Status
LIVE = (Status.PENDING, Status.PAID)


def differences() -> list[str]:
    """Everything that does not add up, in words; empty when the books are in order."""
    return [*stock(), *seats_of_orders(), *money_of_orders(), *charges_without_a_place()]


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
    """What was sold is the total of orders that were ever paid, and a refunded order has given all of it back."""
    nothing = Decimal(0)
    orders = _real_orders().annotate(
        earned=Coalesce(_sum("amount", Kind.SALE), nothing), returned=Coalesce(_sum("amount", Kind.REFUND), nothing)
    )
    unpaid = Q(status__in=(Status.PENDING, Status.CANCELLED))
    wrong = unpaid & (~Q(earned=0) | ~Q(returned=0)) | ~unpaid & ~Q(earned=F("total_price"))
    wrong |= Q(status=Status.REFUNDED) & ~Q(returned=-F("total_price")) | Q(
        status=Status.PAID, returned__lt=-F("earned")
    )
    for order in orders.filter(wrong).order_by("pk"):
        yield (
            f"order {order.order_number} is {order.status} over {order.total_price}: "
            f"the journal has {order.earned} earned and {-order.returned} given back"
        )


def charges_without_a_place() -> Iterator[str]:
    """Every captured amount is ticketed, given back, or waits for a person."""
    charges = Payment.objects.filter(kind=Payment.Kind.CHARGE, needs_review="", outcome="")
    lost = charges.exclude(order__status__in=(Status.PAID, Status.REFUNDED))
    for payment in lost.order_by("pk"):
        yield f"payment {payment.pk} of {payment.provider} pays no order and waits for nobody"


def _real_orders() -> QuerySet[Order]:
    return Order.objects.filter(is_test=False)


def _sum(column: str, kind: str = "") -> Subquery:
    entries = JournalEntry.objects.filter(order=OuterRef("pk"), **({"kind": kind} if kind else {})).order_by()
    return Subquery(entries.values("order").annotate(total=Sum(column)).values("total"))
