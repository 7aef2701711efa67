"""The home page of the admin: tonight, the nights to come, and for the office what waits for a person and how the last
days went. All figures are those of `orders.statistics`, as the API's."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from accounts.roles import is_office
from events import queries as nights
from events.models import Event, TicketTier
from homeproductions.office import charts
from orders import statistics
from orders.alerts import DISPUTE_DEADLINE
from orders.models import Order, Payment
from orders.statistics import Day, Waiting

NEXT_NIGHTS = 8
DAYS = 30
DAYS_PER_LABEL = 6  # five labels, as the style sheet has room for


def dashboard(request: HttpRequest) -> HttpResponse:
    """Behind `admin_view`, so for whoever may sign in; money and mails are for the office."""
    user: Any = request.user
    now = timezone.now()
    context = {**admin.site.each_context(request), "title": admin.site.index_title, **_season(now)}
    context["may_plan"] = user.has_perm("events.add_event")
    if is_office(user.role):
        context |= {"todos": _todos(now), **_last_days(now)}
    return TemplateResponse(request, "admin/dashboard.html", context)


def _list(name: str, **filters: Any) -> str:
    """The address of a list of the admin, filtered."""
    query = f"?{urlencode(filters)}" if filters else ""
    return reverse(f"admin:{name}_changelist") + query


# --- Nights ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seats:
    """Of one tier: `sold` are paid, `held` taken by orders that are not (or by guests who were refunded when they
    were inside already)."""

    tier: TicketTier
    sold: int

    @property
    def held(self) -> int:
        # An order may have been paid between the two queries.
        return max(self.tier.sold - self.sold, 0)

    @property
    def sold_width(self) -> str:
        return charts.percent(self.sold, self.tier.quantity)

    @property
    def taken_width(self) -> str:
        return charts.percent(self.sold + self.held, self.tier.quantity)


@dataclass(frozen=True)
class Night:
    event: Event
    tiers: list[Seats]
    inside: int
    days_away: int

    @property
    def sold(self) -> int:
        return sum(seats.sold for seats in self.tiers)

    @property
    def capacity(self) -> int:
        return sum(seats.tier.quantity for seats in self.tiers)

    @property
    def inside_width(self) -> str:
        return charts.percent(self.inside, self.sold)

    @property
    def sold_width(self) -> str:
        return charts.percent(self.sold, self.capacity)

    @property
    def url(self) -> str:
        return reverse("admin:events_event_change", args=[self.event.pk])

    @property
    def door_url(self) -> str:
        return reverse("door-list", args=[self.event.pk])

    @property
    def orders_url(self) -> str:
        return _list("orders_order", event=self.event.pk, status__exact=Order.Status.PAID, test="no")


def _season(now: datetime) -> dict[str, Any]:
    today = timezone.localdate(now)
    coming = nights.coming(now)
    tonight = [event for event in coming if event.event_date <= today]
    later = coming[len(tonight) :]
    shown = [*tonight, *later[:NEXT_NIGHTS]]
    prefetch_related_objects(shown, nights.all_tiers())
    sold, inside = statistics.sold(shown), statistics.inside(tonight)
    drawn = [
        Night(
            event,
            [Seats(tier, sold.get(tier.pk, 0)) for tier in event.tiers.all()],
            inside.get(event.pk, 0),
            (event.event_date - today).days,
        )
        for event in shown
    ]
    return {
        "tonight": drawn[: len(tonight)],
        "next_nights": drawn[len(tonight) :],
        "more_nights": max(len(later) - NEXT_NIGHTS, 0),
        "all_nights_url": _list("events_event", status=Event.Status.ACTIVE, when="coming"),
        "plan_url": reverse("admin:events_event_add"),
    }


# --- What waits for a person ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Link:
    text: str
    url: str = ""


@dataclass(frozen=True)
class Todo:
    """A number that should be zero, the list behind it, and more about it."""

    count: int
    what: str
    url: str
    more: Sequence[Link] = field(default_factory=tuple)


def _todos(now: datetime) -> list[Todo]:
    return [_money(), *_mails(now), _holds(now)]


def _money() -> Todo:
    reasons = statistics.payments_waiting()
    count = sum(reason.payments for reason in reasons)
    more = [_reason(reason) for reason in reasons]
    failed = statistics.notices_failed()
    if failed:
        url = _list("orders_webhookdelivery", status__exact="failed")
        more.append(Link(f"{failed} {_plural(failed, 'notice')} of a payment not applied", url))
    what = f"{_plural(count, 'payment')} to look at"
    return Todo(count, what, _list("orders_payment", waiting=1), more)


def _reason(reason: Waiting) -> Link:
    """`2 late: ..., 51.00 USD, since 21 Nov`."""
    label = str(Payment.Review(reason.review).label)
    words = [f"{reason.payments}: {label}"]
    if reason.taken:
        words.append(_amounts(reason.taken))
    if reason.review == Payment.Review.DISPUTE:
        words.append(f"answer by {_moment(reason.since + DISPUTE_DEADLINE)}")
    else:
        words.append(f"since {_moment(reason.since)}")
    return Link(", ".join(words), _list("orders_payment", waiting=1, needs_review__exact=reason.review))


def _mails(now: datetime) -> list[Todo]:
    failed = statistics.mails_failed()
    stuck = statistics.mails_stuck(now)
    last = [Link(f"the last one {_moment(failed['last'])}")] if failed["last"] else []
    hint = [Link("Overdue: does the mail worker run?")] if stuck else []
    count = failed["mails"]
    return [
        Todo(count, f"{_plural(count, 'mail')} failed", _list("mail_outboxemail", state="failed"), last),
        Todo(stuck, f"{_plural(stuck, 'mail')} stuck", _list("mail_outboxemail", state="stuck"), hint),
    ]


def _holds(now: datetime) -> Todo:
    ending = statistics.holds_ending(now)
    count, seats = ending["orders"], ending["seats"]
    pending = statistics.orders_pending()
    more = [Link(f"{seats} {_plural(seats, 'seat')} will be free again")] if count else []
    if pending:
        url = _list("orders_order", status__exact="pending", test="no")
        more.append(Link(f"{pending} {_plural(pending, 'order')} pending in all", url))
    return Todo(count, f"{_plural(count, 'hold')} about to expire", _list("orders_order", holds="soon"), more)


# --- The last days -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawing:
    """A chart with its heading and the sum of what it shows. `what` names it for whoever cannot see it."""

    heading: str
    total: str
    what: str
    chart: charts.Chart
    is_of_orders: bool = False


def _last_days(now: datetime) -> dict[str, Any]:
    days = statistics.per_day(timezone.localdate(now), DAYS)
    currencies = sorted({currency for day in days for currency in day.earned})
    rows = [
        {
            "date": day.date,
            "url": _list("orders_order", **{"from": day.date, "to": day.date, "test": "no"}),
            "orders": day.orders,
            "paid": day.paid,
            "earned": [f"{day.earned.get(currency, Decimal(0)):,.2f}" for currency in currencies],
        }
        for day in reversed(days)
    ]
    is_quiet = not currencies and not any(day.orders for day in days)
    return {
        "day_count": DAYS,
        "drawings": [] if is_quiet else [_orders(days), *(_revenue(days, currency) for currency in currencies)],
        "day_labels": [_short(day.date) for day in days[DAYS_PER_LABEL - 1 :: DAYS_PER_LABEL]],
        "currencies": currencies,
        "day_rows": rows,
        "shows_days": True,
    }


def _orders(days: list[Day]) -> Drawing:
    orders, paid = sum(day.orders for day in days), sum(day.paid for day in days)
    stacks = [
        (
            f"{_short(day.date)}: {day.orders} {_plural(day.orders, 'order')}, {day.paid} paid",
            (("first", day.paid), ("rest", day.orders - day.paid)),
        )
        for day in days
    ]
    total = f"{orders:,} {_plural(orders, 'order')}, {paid:,} paid by now"
    return Drawing("Orders", total, f"Orders placed each day: {total}", charts.columns(stacks), is_of_orders=True)


def _revenue(days: list[Day], currency: str) -> Drawing:
    amounts = [day.earned.get(currency, Decimal(0)) for day in days]
    stacks = [
        (f"{_short(day.date)}: {_amounts({currency: amount})}", (("second", amount),))
        for day, amount in zip(days, amounts, strict=True)
    ]
    total = _amounts({currency: sum(amounts, Decimal(0))})
    what = f"Earned less given back each day, in {currency}: {total}"
    return Drawing(f"Revenue in {currency}", total, what, charts.columns(stacks))


# --- Words -----------------------------------------------------------------------------------------------------------


def _amounts(money: dict[str, Decimal]) -> str:
    """`1,250.00 GTQ and 51.00 USD`: currencies are never added up."""
    return " and ".join(f"{amount:,.2f} {currency}".strip() for currency, amount in sorted(money.items()))


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"


def _short(day: Any) -> str:
    return date_format(day, "j M")


def _moment(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), "j M, H:i")
