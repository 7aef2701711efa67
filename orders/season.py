"""The season as a whole: what each night and all of them together sold, earned and let in. Each table is read once, and
where it can be from an index alone. Test orders count nowhere."""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce

from .journal import EARNINGS
from .models import CheckIn, JournalEntry, Order

IS_PAID = Q(status=Order.Status.PAID)
STILL_PAID = Q(order__status=Order.Status.PAID)


@dataclass
class Night:
    """`tickets` of paid orders; what was `earned` less what was given back, by currency, from the journal; `checkins`
    there ever were, and of orders still paid the number of orders and of people."""

    tickets: int = 0
    earned: dict[str, Decimal] = field(default_factory=dict)
    checkins: int = 0
    orders_inside: int = 0
    people_inside: int = 0


Season = dict[UUID, Night]


def season() -> Season:
    """Every night of which there is anything to say, and an empty one for each other."""
    nights: Season = defaultdict(Night)
    _add_tickets(nights)
    _add_money(nights)
    _add_admissions(nights)
    return nights


def total(nights: Season) -> Night:
    whole = Night()
    for night in nights.values():
        whole.tickets += night.tickets
        whole.checkins += night.checkins
        whole.orders_inside += night.orders_inside
        whole.people_inside += night.people_inside
        for currency, amount in night.earned.items():
            whole.earned[currency] = whole.earned.get(currency, Decimal(0)) + amount
    return whole


# Orders are found by their tier, not by their night: an index of that knows all that is asked here.


def _add_tickets(nights: Season) -> None:
    paid = Order.objects.filter(IS_PAID, is_test=False).order_by()
    for event_id, tickets in paid.values_list("tier__event_id").annotate(Sum("quantity")):
        nights[event_id].tickets = tickets


def _add_money(nights: Season) -> None:
    money = JournalEntry.objects.filter(kind__in=EARNINGS).order_by()
    for event_id, currency, amount in money.values_list("event_id", "currency").annotate(Sum("amount")):
        nights[event_id].earned[currency] = amount


def _add_admissions(nights: Season) -> None:
    checkins = CheckIn.objects.filter(order__is_test=False).order_by()
    counted = checkins.values_list("order__tier__event_id").annotate(
        every=Count("pk"),
        orders=Count("pk", filter=STILL_PAID),
        people=Coalesce(Sum("admitted", filter=STILL_PAID), 0),
    )
    for event_id, every, orders, people in counted:
        night = nights[event_id]
        night.checkins, night.orders_inside, night.people_inside = every, orders, people
