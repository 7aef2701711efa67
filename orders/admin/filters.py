"""Filters of the lists of orders. None of them asks the whole table anything to draw itself."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qsl

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date

from events.models import Event, TicketTier
from events.queries import as_uuid
from homeproductions import days
from homeproductions.mail.models import OutboxEmail
from homeproductions.office.filters import Choice
from orders import queries
from orders.models import CheckIn, Order

from .words import PAID_BY, night

# A list of nights is chosen from, not read. Older ones are found from their own page.
NIGHTS = 200
TICKETS = OutboxEmail.objects.filter(email_type=OutboxEmail.Kind.TICKET)


class Menu(admin.SimpleListFilter):
    """A filter with so many choices that they are options of a form, not links."""

    template = "admin/filter_menu.html"

    def choices(self, changelist: Any) -> Iterator[Any]:
        """What the form has to keep of the address, then the options."""
        rest = changelist.get_query_string(remove=[self.parameter_name, *self.dependents(), "p"])
        chosen = next((label for value, label in self.lookup_choices if str(value) == self.value()), "")
        yield {"keep": parse_qsl(rest.lstrip("?")), "chosen": chosen, "name": self.parameter_name}
        for value, label in self.lookup_choices:
            yield {"value": str(value), "display": label, "selected": str(value) == self.value()}

    def dependents(self) -> list[str]:
        """Parameters that mean nothing once this one is another."""
        return []


class NightFilter(Menu):
    title = "event"
    parameter_name = "event"
    column = "event_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        nights = list(Event.objects.order_by("-event_date", "-created_at")[:NIGHTS])
        chosen = as_uuid(self.value() or "")
        if chosen and chosen not in {event.pk for event in nights}:
            nights += Event.objects.filter(pk=chosen)
        return [(str(event.pk), night(event)) for event in nights]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        event_id = as_uuid(self.value() or "")
        return queryset.filter(**{self.column: event_id}) if event_id else queryset.none()

    def dependents(self) -> list[str]:
        return ["tier"]


class TierFilter(Menu):
    """The tiers of the chosen night; there are too many of all."""

    title = "tier"
    parameter_name = "tier"

    def has_output(self) -> bool:
        return super().has_output() or bool(self.value())

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        event_id, chosen = as_uuid(request.GET.get("event", "")), as_uuid(self.value() or "")
        if not event_id and not chosen:
            return []
        of_night = Q(event=event_id) if event_id else Q(pk=chosen)
        return [(str(tier.pk), tier.name) for tier in TicketTier.objects.filter(of_night)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        tier_id = as_uuid(self.value() or "")
        return queryset.filter(tier_id=tier_id) if tier_id else queryset.none()


class StatusFilter(Choice):
    title = "status"
    parameter_name = "status__exact"
    choices_known = [(status, status, Q(status=status)) for status in Order.Status.values]


class PaidByFilter(Choice):
    title = "paid by"
    parameter_name = "paid_by"
    choices_known = PAID_BY


INSIDE = CheckIn.objects.filter(order=OuterRef("pk"))


class InsideFilter(Choice):
    title = "checked in"
    parameter_name = "inside"
    choices_known = [
        ("yes", "yes", Q(Exists(INSIDE))),
        ("partly", "not all of them", Q(Exists(INSIDE.filter(admitted__lt=OuterRef("quantity"))))),
        ("no", "not yet", Q(status=Order.Status.PAID) & ~Q(Exists(INSIDE))),
    ]


def _newest_is(condition: Q) -> Q:
    """Orders whose newest ticket mail is so. Asked from the mails, of which few are not sent."""
    newer = TICKETS.filter(order=OuterRef("order"), created_at__gt=OuterRef("created_at"))
    return Q(pk__in=TICKETS.filter(condition, order__isnull=False).exclude(Exists(newer)).values("order"))


class MailFilter(Choice):
    title = "ticket mail"
    parameter_name = "mail"
    choices_known = [
        ("sent", "sent", _newest_is(Q(status=OutboxEmail.Status.SENT))),
        ("waiting", "on its way", _newest_is(Q(status__in=OutboxEmail.OPEN))),
        ("failed", "failed", _newest_is(Q(status=OutboxEmail.Status.FAILED, closed_at=None))),
        ("none", "none", Q(status=Order.Status.PAID) & ~Q(Exists(TICKETS.filter(order=OuterRef("pk"))))),
    ]


class TestFilter(Choice):
    title = "test orders"
    parameter_name = "test"
    choices_known = [("no", "without them", Q(is_test=False)), ("yes", "only them", Q(is_test=True))]


class HoldFilter(admin.SimpleListFilter):
    title = "hold"
    parameter_name = "holds"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [("soon", "ends within 15 minutes, or is over"), ("over", "is over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        now = timezone.now()
        match self.value():
            case "soon":
                return queryset.filter(queries.hold_ends_soon(now), is_test=False)
            case "over":
                return queryset.filter(status=Order.Status.PENDING, hold_expires_at__lte=now)
        return queryset.none() if self.value() else queryset


class DayFilter(admin.ListFilter):
    """From one day to another, both included, by the house's calendar."""

    title = "date"
    template = "admin/filter_days.html"
    column = "created_at"
    names = ("from", "to")

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.names:
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return list(self.names)

    def choices(self, changelist: Any) -> Iterator[Any]:
        rest = changelist.get_query_string(remove=[*self.names, "p"])
        first, last = (self._day(name) for name in self.names)
        yield {"keep": parse_qsl(rest.lstrip("?")), "first": first, "last": last, "any": rest}
        today = timezone.localdate()
        for label, back in (("Today", 0), ("Last 7 days", 6), ("Last 30 days", 29)):
            start = today - timedelta(days=back)
            link = changelist.get_query_string({"from": str(start)}, ["to", "p"])
            yield {"display": label, "query_string": link, "selected": (first, last) == (start, None)}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = (self._day(name) for name in self.names)
        if any(self.used_parameters.get(name) and not self._day(name) for name in self.names):
            return queryset.none()
        if first:
            queryset = queryset.filter(**{f"{self.column}__gte": _midnight(first)})
        if last:
            queryset = queryset.filter(**{f"{self.column}__lt": _midnight(last + timedelta(days=1))})
        return queryset

    def _day(self, name: str) -> date | None:
        try:
            day = parse_date(str(self.used_parameters.get(name, "")))
        except ValueError:  # the 31st of February
            return None
        return day if day and days.is_ours(day) else None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))
