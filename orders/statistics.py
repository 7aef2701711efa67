"""Figures for the office (contract 2.13), money from the journal. Test orders count nowhere.

Every figure is an aggregate of its own: joining tiers with orders would multiply both.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, NullIf

from events.models import Event, TicketTier
from homeproductions.mail.models import OutboxEmail

from .journal import EARNINGS
from .models import CheckIn, JournalEntry, Order

Status = Order.Status
TOP_REFERRALS = 10
RECENT_ORDERS = 10


def real_orders(event_id: UUID | None = None) -> QuerySet[Order]:
    orders = Order.objects.filter(is_test=False)
    return orders.filter(event_id=event_id) if event_id else orders


def orders_by_status(event_id: UUID | None = None) -> dict[str, int]:
    """How many orders are in each status; every status is there."""
    rows = real_orders(event_id).order_by().values_list("status").annotate(Count("pk"))
    return {**dict.fromkeys(Status.values, 0), **dict(rows)}


def revenue(event_id: UUID | None = None) -> dict[str, Decimal]:
    """What was earned less what was given back, by currency, from the journal."""
    money = JournalEntry.objects.filter(kind__in=EARNINGS)
    if event_id:
        money = money.filter(event_id=event_id)
    return dict(money.order_by().values_list("currency").annotate(Sum("amount")))


def tickets(event_id: UUID | None = None) -> int:
    """Tickets of paid orders."""
    paid = real_orders(event_id).filter(status=Status.PAID)
    return paid.aggregate(tickets=Coalesce(Sum("quantity"), 0))["tickets"]


def admissions(event_id: UUID | None = None) -> dict[str, int]:
    """Check-ins: all there ever were, and of orders still paid the number of orders and of people."""
    checkins = CheckIn.objects.filter(order__is_test=False)
    if event_id:
        checkins = checkins.filter(order__event_id=event_id)
    still_paid = Q(order__status=Status.PAID)
    return checkins.order_by().aggregate(
        all=Count("pk"),
        orders=Count("pk", filter=still_paid),
        people=Coalesce(Sum("admitted", filter=still_paid), 0),
    )


def doors(event_ids: Iterable[UUID]) -> dict[UUID, tuple[int, int]]:
    """For each of these nights, people expected (tickets of paid orders) and people inside."""
    ids = list(event_ids)
    paid = real_orders().filter(status=Status.PAID, event__in=ids).order_by()
    expected = dict(paid.values_list("event_id").annotate(Sum("quantity")))
    checkins = CheckIn.objects.filter(order__in=paid).order_by()
    inside = dict(checkins.values_list("order__event_id").annotate(Sum("admitted")))
    return {event_id: (expected.get(event_id, 0), inside.get(event_id, 0)) for event_id in ids}


def events_by_status() -> dict[str, int]:
    rows = Event.objects.order_by().values_list("status").annotate(Count("pk"))
    return {**dict.fromkeys(Event.Status.values, 0), **dict(rows)}


def referrals() -> dict[str, int]:
    """Where paid orders came from: source to number of orders, the ten best."""
    paid = real_orders().filter(status=Status.PAID).order_by()
    source = Coalesce(NullIf("referral_source", Value("")), Value("direct"))
    rows = paid.annotate(source=source).values_list("source").annotate(orders=Count("pk"))
    return dict(rows.order_by("-orders", "source")[:TOP_REFERRALS])


def per_event() -> list[dict[str, Any]]:
    """Tickets and revenue of paid orders, capacity, and people inside, for each active night by date."""
    nights = Event.objects.filter(status=Event.Status.ACTIVE)
    paid = real_orders().filter(status=Status.PAID, event__in=nights).order_by()
    tiers = TicketTier.objects.filter(event__in=nights).order_by()
    inside = CheckIn.objects.filter(order__in=paid).order_by()
    sold = dict(paid.values_list("event_id").annotate(Sum("quantity")))
    money = JournalEntry.objects.filter(kind__in=EARNINGS, event__in=nights).order_by()
    earned = dict(money.values_list("event_id").annotate(Sum("amount")))
    capacity = dict(tiers.values_list("event_id").annotate(Sum("quantity")))
    people = dict(inside.values_list("order__event_id").annotate(Sum("admitted")))
    return [
        {
            "id": night.pk,
            "name": night.name,
            "date": night.event_date,
            "sold": sold.get(night.pk, 0),
            "capacity": capacity.get(night.pk, 0),
            "revenue": earned.get(night.pk, Decimal(0)),
            "checkedIn": people.get(night.pk, 0),
        }
        for night in nights.order_by("event_date", "name")
    ]


def mails_by_status() -> dict[str, int]:
    """Sent, still on their way, and failed. What was closed because nobody wants it any more is none of these."""
    real = OutboxEmail.objects.filter(closed_at=None).exclude(order__is_test=True)
    rows = dict(real.order_by().values_list("status").annotate(Count("pk")))
    waiting = sum(rows.get(status, 0) for status in OutboxEmail.OPEN)
    return {"sent": rows.get("sent", 0), "pending": waiting, "failed": rows.get("failed", 0)}


def recent_orders(event_id: UUID | None = None) -> list[Order]:
    return list(real_orders(event_id).select_related("event").order_by("-created_at", "-id")[:RECENT_ORDERS])
