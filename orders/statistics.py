"""Figures for the office (contract 2.13), money from the journal. Test orders count nowhere.

Every figure is an aggregate of its own: joining tiers with orders would multiply both.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db.models import Count, DateTimeField, F, Func, IntegerField, Max, Min, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, NullIf
from django.utils import timezone

from events.models import Event, TicketTier
from homeproductions.mail import queries as mail
from homeproductions.mail.models import OutboxEmail

from . import queries
from .journal import EARNINGS, major_units
from .models import CheckIn, JournalEntry, Order, Payment, WebhookDelivery
from .places import IS_WAITING
from .season import Season

Status = Order.Status
TOP_REFERRALS = 10
RECENT_ORDERS = 10


def real_orders(event_id: UUID | None = None) -> QuerySet[Order]:
    orders = Order.objects.filter(is_test=False)
    return orders.filter(event_id=event_id) if event_id else orders


def orders_by_status(event_id: UUID | None = None) -> dict[str, int]:
    """How many orders are in each status; every status is there."""
    rows = real_orders(event_id).order_by().values_list("status").annotate(count=Count("*"))
    return {**dict.fromkeys(Status.values, 0), **dict(rows)}


def revenue_by_event(event_ids: Iterable[UUID]) -> dict[UUID, dict[str, Decimal]]:
    """What each of these nights earned less what was given back, by currency, from the journal; those that earned
    nothing are left out."""
    money = JournalEntry.objects.filter(kind__in=EARNINGS, event__in=list(event_ids)).order_by()
    earned: dict[UUID, dict[str, Decimal]] = {}
    for event_id, currency, amount in money.values_list("event_id", "currency").annotate(Sum("amount")):
        earned.setdefault(event_id, {})[currency] = amount
    return earned


def doors(event_ids: Iterable[UUID]) -> dict[UUID, tuple[int, int]]:
    """For each of these nights, people expected (tickets of paid orders) and people inside."""
    ids = list(event_ids)
    expected, people = sold_by_event(ids), inside(ids)
    return {event_id: (expected.get(event_id, 0), people.get(event_id, 0)) for event_id in ids}


def events_by_status() -> dict[str, int]:
    rows = Event.objects.order_by().values_list("status").annotate(Count("pk"))
    return {**dict.fromkeys(Event.Status.values, 0), **dict(rows)}


def referrals() -> dict[str, int]:
    """Where paid orders came from: source to number of orders, the ten best."""
    paid = real_orders().filter(status=Status.PAID).order_by()
    source = Coalesce(NullIf("referral_source", Value("")), Value("direct"))
    rows = paid.annotate(source=source).values_list("source").annotate(orders=Count("*"))
    return dict(rows.order_by("-orders", "source")[:TOP_REFERRALS])


def per_event(season: Season) -> list[dict[str, Any]]:
    """Tickets and revenue of paid orders, capacity, and people inside, for each active night by date."""
    nights = list(Event.objects.filter(status=Event.Status.ACTIVE).order_by("event_date", "name"))
    tiers = TicketTier.objects.filter(event__in=nights).order_by()
    capacity = dict(tiers.values_list("event_id").annotate(Sum("quantity")))
    return [
        {
            "id": night.pk,
            "name": night.name,
            "date": night.event_date,
            "sold": season[night.pk].tickets,
            "capacity": capacity.get(night.pk, 0),
            "revenue": sum(season[night.pk].earned.values(), Decimal(0)),
            "checkedIn": season[night.pk].people_inside,
        }
        for night in nights
    ]


# Orders are found by their tier, not by their night: an index of that knows all that is asked here.


def sold(nights: Iterable[Event | UUID]) -> dict[UUID, int]:
    """Tickets of paid orders, by tier; tiers without any are left out."""
    paid = real_orders().filter(status=Status.PAID, tier__event__in=nights).order_by()
    return dict(paid.values_list("tier_id").annotate(Sum("quantity")))


def sold_by_event(nights: Iterable[Event | UUID]) -> dict[UUID, int]:
    """Tickets of paid orders, by night; nights without any are left out."""
    paid = real_orders().filter(status=Status.PAID, tier__event__in=nights).order_by()
    return dict(paid.values_list("tier__event_id").annotate(Sum("quantity")))


def inside(nights: Iterable[Event | UUID]) -> dict[UUID, int]:
    """People of paid orders who were let in, by night; nights without any are left out."""
    still_paid = {"order__is_test": False, "order__status": Status.PAID}
    checkins = CheckIn.objects.filter(**still_paid, order__tier__event__in=nights).order_by()
    return dict(checkins.values_list("order__tier__event_id").annotate(Sum("admitted")))


# --- Day by day ------------------------------------------------------------------------------------------------


@dataclass
class Day:
    """A day of the house: orders placed, how many of those are paid by now, and what was earned, by currency."""

    date: date
    orders: int = 0
    paid: int = 0
    earned: dict[str, Decimal] = field(default_factory=dict)


def per_day(last: date, days: int) -> list[Day]:
    """So many days of the house up to and with `last`, in order, also those on which nothing happened."""
    shown = [Day(last - timedelta(days=back)) for back in reversed(range(days))]
    starts = [_midnight(day.date) for day in [*shown, Day(last + timedelta(days=1))]]
    span = {"created_at__gte": starts[0], "created_at__lt": starts[-1]}
    # All statuses by name, and no column but those of the index by status and time, so that it answers alone.
    orders = real_orders().filter(**span, status__in=Status.values).annotate(day=_day(starts)).order_by()
    counts = {"all": Count("*"), "paid": Count("status", filter=Q(status=Status.PAID))}
    for day, count, paid in orders.values_list("day").annotate(**counts):
        shown[day - 1].orders, shown[day - 1].paid = count, paid
    money = JournalEntry.objects.filter(**span, kind__in=EARNINGS).annotate(day=_day(starts)).order_by()
    for day, currency, amount in money.values_list("day", "currency").annotate(Sum("amount")):
        shown[day - 1].earned[currency] = amount
    return shown


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _day(starts: list[datetime]) -> Func:
    """Which of the days a row belongs to, from 1: a look into 31 midnights, which costs a third of turning each row's
    time into the house's date."""
    midnights = Value(starts, output_field=ArrayField(DateTimeField()))
    return Func(F("created_at"), midnights, function="width_bucket", output_field=IntegerField())


# --- What waits for a person --------------------------------------------------------------------------------------


@dataclass
class Waiting:
    """Payments of one reason that wait for a person. `taken` is the money of its charges by currency, as far as the
    notices said how much."""

    review: str
    payments: int = 0
    taken: dict[str, Decimal] = field(default_factory=dict)
    since: datetime = field(default_factory=timezone.now)


def payments_waiting() -> list[Waiting]:
    """The payments that wait for a person, by reason, the reason that has waited longest first."""
    # What has no outcome was reviewed at no moment; said again, because the index knows it by that.
    rows = Payment.objects.filter(IS_WAITING, reviewed_at=None).order_by()
    sums = rows.values_list("needs_review", "kind", "currency").annotate(
        Count("pk"), Sum("amount_minor"), Min("created_at")
    )
    reasons: dict[str, Waiting] = {}
    for review, kind, currency, count, amount, since in sums:
        reason = reasons.setdefault(review, Waiting(review))
        reason.payments += count
        reason.since = min(reason.since, since)
        if kind == Payment.Kind.CHARGE and amount:
            reason.taken[currency] = reason.taken.get(currency, Decimal(0)) + major_units(amount)
    return sorted(reasons.values(), key=lambda reason: reason.since)


def notices_failed() -> int:
    """Payment notices that could not be applied and are tried again."""
    return WebhookDelivery.objects.filter(status=WebhookDelivery.Status.FAILED).count()


def orders_pending() -> int:
    return real_orders().filter(status=Status.PENDING).count()


def holds_ending(now: datetime) -> dict[str, int]:
    """Pending orders that lose their seats soon, and how many seats those are."""
    ending = real_orders().filter(queries.hold_ends_soon(now))
    return ending.aggregate(orders=Count("pk"), seats=Coalesce(Sum("quantity"), 0))


def holds_live(now: datetime) -> dict[str, int]:
    """Pending orders whose hold is not over, and how many seats those keep from others."""
    live = real_orders().filter(Q(hold_expires_at=None) | Q(hold_expires_at__gt=now), status=Status.PENDING)
    return live.aggregate(orders=Count("pk"), seats=Coalesce(Sum("quantity"), 0))


# --- Mail ----------------------------------------------------------------------------------------------------------


def mails_by_status() -> dict[str, int]:
    """Sent, still on their way, and failed. What was closed because nobody wants it any more is none of these."""
    # Those of all orders from an index alone, less those of the few that were a test.
    all_mails = OutboxEmail.objects.filter(closed_at=None).order_by()
    rows = Counter(_count(all_mails))
    rows.subtract(_count(all_mails.filter(order__is_test=True)))
    waiting = sum(rows[status] for status in OutboxEmail.OPEN)
    return {"sent": rows["sent"], "pending": waiting, "failed": rows["failed"]}


def _count(mails: QuerySet[OutboxEmail]) -> dict[str, int]:
    return dict(mails.values_list("status").annotate(count=Count("*")))


def mails_failed() -> dict[str, Any]:
    """As `mails_by_status` counts them, and when the last one was tried."""
    failed = real_mails().filter(status=OutboxEmail.Status.FAILED)
    return failed.aggregate(mails=Count("pk"), last=Max("last_attempt_at"))


def mails_stuck(now: datetime) -> int:
    return real_mails().filter(mail.is_stuck(now)).count()


def real_mails() -> QuerySet[OutboxEmail]:
    return OutboxEmail.objects.filter(closed_at=None).exclude(order__is_test=True)


def recent_orders(event_id: UUID | None = None) -> list[Order]:
    return list(real_orders(event_id).select_related("event").order_by("-created_at", "-id")[:RECENT_ORDERS])
