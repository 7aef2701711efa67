"""The page on which the office takes figures and lists away. Every file is announced in the audit before its first byte
leaves: who took what, by which choices, and how many rows, but nobody's name."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from accounts.models import User
from audit.services import record
from events.models import Event
from newsletter import exports as newsletter_files
from newsletter.models import Subscriber
from orders import exports as order_files
from orders.models import Order

from . import origin
from .days import FIRST_NIGHT, LAST_NIGHT
from .office.exports import FORMATS, SHEET_ROWS, Table

DAYS = (MinValueValidator(FIRST_NIGHT), MaxValueValidator(LAST_NIGHT))

LEFT_MAX_LENGTH = 100


# --- What can be chosen ---------------------------------------------------------------------------------------


def day(label: str) -> forms.DateField:
    return forms.DateField(
        label=label, required=False, widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"), validators=DAYS
    )


def choice(label: str, choices: Sequence[tuple[str, str]], *, everything: str = "") -> forms.ChoiceField:
    all_of_them = [("", everything)] if everything else []
    return forms.ChoiceField(label=label, required=not everything, choices=[*all_of_them, *choices])


class Choices(forms.Form):
    """Days, and what each kind of file adds. A form is told once which events there are."""

    first_day = day("From")
    last_day = day("Until")

    def __init__(self, *args: Any, events: Sequence[tuple[UUID, str]], **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        if "event_id" in self.fields:
            field: Any = self.fields["event_id"]
            field.choices = [("", "All events"), *events]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        first, last = data.get("first_day"), data.get("last_day")
        if first and last and last < first:
            self.add_error("last_day", "The last day is before the first.")
        return data


class OfEvents(Choices):
    event_id = forms.TypedChoiceField(label="Event", required=False, coerce=UUID, empty_value=None)

    field_order: Sequence[str] | None = ("event_id",)


class OrderChoices(OfEvents):
    status = choice("Status", [(value, value.capitalize()) for value in Order.Status.values], everything="Any status")

    field_order = ("event_id", "status")


class RevenueChoices(OfEvents):
    by = choice("A row for each", [("event", "Event"), ("tier", "Tier"), ("day", "Day")])

    field_order = ("by", "event_id")


class NewsletterChoices(Choices):
    state = choice(
        "State", [(value, label.capitalize()) for value, label in Subscriber.State.choices], everything="Any state"
    )

    field_order = ("state",)


@dataclass(frozen=True)
class Export:
    """A kind of file. `about` says what is in it; `table` gets what the form asks."""

    name: str
    title: str
    about: str
    permission: str
    form: type[Choices]
    table: Callable[..., Table]


EXPORTS = (
    Export(
        "orders",
        "Orders",
        "A row for each order placed on these days, with guest, payment, ticket mail and check-in.",
        "orders.export_order",
        OrderChoices,
        order_files.orders,
    ),
    Export(
        "guests",
        "Guests",
        "A row for each e-mail address that paid for an order placed on these days: how often, how many tickets.",
        "orders.export_order",
        OfEvents,
        order_files.guests,
    ),
    Export(
        "revenue",
        "Revenue",
        "Sales, adjustments, refunds and fees as they were booked on these days, each currency by itself. The same "
        "sums as in the statistics.",
        "orders.export_order",
        RevenueChoices,
        order_files.revenue,
    ),
    Export(
        "newsletter",
        "Newsletter",
        "A row for each subscriber who asked for news on these days, with state and consent.",
        "newsletter.export_subscriber",
        NewsletterChoices,
        newsletter_files.subscribers,
    ),
)


# --- The page -------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def exports(request: HttpRequest) -> HttpResponseBase:
    """`?what=orders&event_id=...&status=paid` arrives with these choices made, as from a list that is filtered so;
    `left` names filters of that list which no file knows."""
    user: Any = request.user
    offered = [export for export in EXPORTS if user.has_perm(export.permission)]
    if not offered:
        raise PermissionDenied
    if request.method != "POST":
        return show(request, offered)
    export = next((export for export in EXPORTS if export.name == request.POST.get("what")), None)
    if export not in offered:
        raise PermissionDenied
    return answer(request, offered, export)


def answer(request: HttpRequest, offered: Sequence[Export], export: Export) -> HttpResponseBase:
    form = export.form(request.POST, events=events(), auto_id=f"{export.name}_%s")
    format_name = request.POST.get("format", "")
    if not form.is_valid() or format_name not in FORMATS:
        return show(request, offered, form_of={export.name: form})
    table = export.table(**form.cleaned_data)
    if fault := unfit(table, format_name):
        form.add_error(None, fault)
        return show(request, offered, form_of={export.name: form})
    user: Any = request.user
    rows = audited(export, table, actor=user, choices=form.cleaned_data, format_name=format_name)
    return FORMATS[format_name](filename(export, form.cleaned_data), table.header, rows)


def show(
    request: HttpRequest, offered: Sequence[Export], form_of: dict[str, Choices] | None = None
) -> TemplateResponse:
    fresh = partial(_fresh, request, nights=events())
    left = {request.GET.get("what"): request.GET.get("left", "")[:LEFT_MAX_LENGTH]}
    cards = [
        {"export": each, "form": (form_of or {}).get(each.name) or fresh(each), "left": left.get(each.name)}
        for each in offered
    ]
    context = {**admin.site.each_context(request), "title": "Exports", "cards": cards}
    return TemplateResponse(request, "admin/exports.html", context, status=422 if form_of else 200)


def _fresh(request: HttpRequest, export: Export, nights: Sequence[tuple[UUID, str]]) -> Choices:
    is_named = request.GET.get("what") == export.name
    return export.form(initial=request.GET.dict() if is_named else {}, events=nights, auto_id=f"{export.name}_%s")


def events() -> list[tuple[UUID, str]]:
    """All there ever were, the latest first: books are closed long after a night."""
    nights = Event.objects.order_by("-event_date", "name").values_list("pk", "event_date", "name")
    return [(pk, f"{night} {name}") for pk, night, name in nights]


def unfit(table: Table, format_name: str) -> str:
    """Why there is no file, or nothing."""
    if not table.count:
        return "Nothing fits these choices, so there is no file."
    if format_name == "xlsx" and table.count >= SHEET_ROWS:
        return f"These are {table.count} rows, more than an Excel sheet holds. Take the CSV, or fewer days."
    return ""


def filename(export: Export, choices: dict[str, Any]) -> str:
    """Says what is in it, so that ten files in a folder can be told apart."""
    by = f"by-{choices['by']}" if "by" in choices else ""
    chosen = [str(choices.get(name) or "") for name in ("status", "state", "first_day", "last_day")]
    return "-".join(part for part in (export.name, by, *chosen) if part)


# --- The audit ------------------------------------------------------------------------------------------------


def audited(
    export: Export, table: Table, *, actor: User, choices: dict[str, Any], format_name: str
) -> Iterator[Sequence[Any]]:
    """The rows, announced in the audit now. If they turn out to be other than so many, because the client went away
    or something was sold meanwhile, another entry says how many were read."""
    chosen = {name: str(value) for name, value in choices.items() if value}
    record("EXPORT", entity_type=export.name, actor=actor, new={**chosen, "format": format_name, "rows": table.count})
    return _counted(export, table, actor, origin.current())


def _counted(export: Export, table: Table, actor: User, here: origin.Origin) -> Iterator[Sequence[Any]]:
    read = 0
    try:
        for row in table.rows:
            read += 1
            yield row
    finally:
        if read != table.count:
            # The request is over by now, and with it the memory of where it came from.
            origin.enter(here)
            record("EXPORT_ENDED", entity_type=export.name, actor=actor, new={"rows": read, "announced": table.count})
            origin.enter(origin.NOWHERE)
