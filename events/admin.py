"""The office's screen of nights, as far as nights alone go. `orders.admin.events` adds what orders know of them (money
and cancelling) and registers it."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import User
from events.services import course, planning
from homeproductions import days
from homeproductions.office.fields import Line
from homeproductions.office.filters import Choice
from homeproductions.office.paging import Listing
from homeproductions.office.saving import DAY, PICKERS, SavedByService
from homeproductions.office.steps import Done, Step
from homeproductions.office.uploads import UploadPages, may_reach_the_host

from . import images
from .forms import EventForm, TierForm, TierForms, tiers_of
from .models import Event, EventKind, EventStatus, TicketTier

CHANGE = "events.change_event"

# --- What a person may do with a night --------------------------------------------------------------------------


def check_day(day: date) -> None:
    if not days.is_ours(day):
        raise ValidationError(days.OUTSIDE)


class DuplicateForm(forms.Form):
    name = Line(max_length=255)
    night = forms.DateField(label="Date", widget=DAY["widget"], validators=[check_day])


def act(service: Callable[..., Event], said: str) -> Callable[[Event, dict[str, Any], User], str]:
    def step(event: Event, data: dict[str, Any], actor: User) -> str:
        service(event.pk, actor=actor)
        return said.format(event)

    return step


def duplicate(event: Event, data: dict[str, Any], actor: User) -> Done:
    copy = course.duplicate(event.pk, name=data["name"], night=data["night"], actor=actor)
    return Done(f"A draft of {copy} was made. Look it through, then publish it.", address_of(copy))


def delete(event: Event, data: dict[str, Any], actor: User) -> Done:
    planning.delete_event(event.pk, actor=actor)
    return Done(f"{event} is deleted.", reverse("admin:events_event_changelist"))


def is_now(*statuses: str) -> Callable[[Event], bool]:
    return lambda event: event.status in statuses


def offers(event: Event) -> list[str]:
    """What guests would be offered, a sentence for each tier."""
    tiers = [tier for tier in event.tiers.order_by("sort_order", "created_at", "id") if tier.is_active]
    if not tiers:
        return ["No ticket is on sale: guests see the night, but nobody can order. Add a tier first."]
    return [f"{tier.name}: {tier.available} tickets at {price_of(tier)}, {window_of(tier)}." for tier in tiers]


def price_of(tier: TicketTier) -> str:
    return f"{tier.price} {tier.currency}" if tier.price else "no charge"


def window_of(tier: TicketTier) -> str:
    starts, ends = tier.sale_starts_at, tier.sale_ends_at
    begin = f"on sale from {in_words(starts)}" if starts and starts > timezone.now() else "on sale at once"
    return f"{begin} until {in_words(ends)}" if ends else begin


def in_words(moment: Any) -> str:
    return date_format(timezone.localtime(moment), "j M Y, H:i")


STEPS = (
    Step(
        "publish",
        "Publish",
        CHANGE,
        act(course.publish, "{} is published."),
        lambda event: [f"Guests see {event} and can order. Nobody is mailed.", *offers(event)],
        fits=is_now(EventStatus.DRAFT),
    ),
    Step(
        "complete",
        "Complete",
        CHANGE,
        act(course.complete, "{} is completed."),
        lambda event: [
            "The night has taken place: it goes off sale and is no longer among the coming ones.",
            "Its orders and figures stay as they are. Unpaid orders end when their hold does. Nobody is mailed.",
        ],
        fits=lambda event: event.status == EventStatus.ACTIVE and event.starts_at <= timezone.now(),
    ),
    Step(
        "duplicate",
        "Duplicate",
        "events.add_event",
        duplicate,
        lambda event: [
            f"A draft like {event.name} is made for another date, with all its tiers and nothing sold.",
            "Sale windows move along by as many days. Nothing is published, and this night stays as it is.",
        ],
        DuplicateForm,
        initial=lambda event: {"name": event.name},
    ),
    Step(
        "withdraw",
        "Back to draft",
        CHANGE,
        act(course.withdraw, "{} is a draft again."),
        lambda event: ["Guests no longer see the night. This is for one that nobody has ordered yet."],
        fits=lambda event: event.status == EventStatus.ACTIVE and not any(tier.sold for tier in event.tiers.all()),
    ),
    Step(
        "bring-back",
        "Bring it back",
        CHANGE,
        act(course.bring_back, "{} takes place after all."),
        lambda event: [
            "The night takes place after all: it is on sale again, and tickets of paid orders admit.",
            "Orders that were cancelled or refunded stay so. Nobody is mailed: write to the guests yourself.",
        ],
        fits=is_now(EventStatus.CANCELLED),
    ),
    Step(
        "delete",
        "Delete",
        CHANGE,
        delete,
        lambda event: ["The draft disappears from the list. The filter “deleted” still finds it."],
        fits=is_now(EventStatus.DRAFT),
        is_danger=True,
    ),
    Step(
        "restore",
        "Restore",
        CHANGE,
        act(course.restore, "{} is a draft."),
        lambda event: ["The night comes back as a draft."],
        fits=is_now(EventStatus.DELETED),
    ),
)


# --- Screen -----------------------------------------------------------------------------------------------------


class StatusFilter(Choice):
    title = "status"
    parameter_name = "status"
    choices_known = [(status.value, status.value, Q(status=status)) for status in EventStatus]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        if self.value():
            return super().queryset(request, queryset)
        return queryset.exclude(status=EventStatus.DELETED)


class WhenFilter(Choice):
    title = "when"
    parameter_name = "when"

    @property
    def choices_known(self) -> Sequence[tuple[str, str, Q]]:  # type: ignore[override]
        today = timezone.localdate()
        return [("coming", "today and later", Q(event_date__gte=today)), ("past", "past", Q(event_date__lt=today))]


class KindFilter(Choice):
    title = "kind"
    parameter_name = "kind"
    choices_known = [(kind.value, kind.value, Q(event_type=kind)) for kind in EventKind]


class Nights(Listing):
    """The list, with the seats of the nights that it shows: one query for all of them."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        tiers = TicketTier.objects.filter(event__in=self.result_list).order_by()
        seats = {
            event_id: sums for event_id, *sums in tiers.values_list("event").annotate(Sum("sold"), Sum("quantity"))
        }
        for event in self.result_list:
            event.seats = seats.get(event.pk, (0, 0))


class TierInline(admin.StackedInline):
    model = TicketTier
    form = TierForm
    formset = TierForms
    formfield_overrides = PICKERS
    can_delete = False
    verbose_name_plural = "tiers"
    readonly_fields = ("taken",)
    fields = (
        ("name", "price", "currency"),
        ("quantity", "taken", "max_per_order"),
        ("sale_starts_at", "sale_ends_at", "is_active"),
        "description",
        "payment_link",
        ("sort_order", "remove"),
    )

    def get_extra(self, request: HttpRequest, obj: Event | None = None, **kwargs: Any) -> int:
        return 1 if obj is None else 0

    def get_fields(self, request: HttpRequest, obj: Event | None = None) -> Any:
        fields = super().get_fields(request, obj)
        return fields if self.has_change_permission(request, obj) else (*fields[:-1], "sort_order")

    @admin.display(description="Taken (sold and held)")
    def taken(self, tier: TicketTier) -> SafeString:
        return seats_bar(tier.sold, tier.quantity or 0)


def seats_bar(sold: int, capacity: int, *, held: int = 0) -> SafeString:
    bar = '<progress class="seats" value="{}" max="{}" aria-hidden="true"></progress> {} of {}{}'
    return format_html(bar, sold, max(capacity, 1), sold, capacity, f", {held} held" if held > 0 else "")


def address_of(event: Event) -> str:
    return reverse("admin:events_event_change", args=[event.pk])


class EventAdmin(UploadPages, SavedByService):
    form = EventForm
    inlines = (TierInline,)
    steps: Sequence[Step] = STEPS
    list_display = ("name", "when", "state", "sold", "place")
    list_filter = (StatusFilter, WhenFilter, KindFilter)
    search_fields = ("name", "venue", "location", "main_artist", "slug")
    search_help_text = "Search by name, venue, location or artist"
    ordering = ("-event_date", "-created_at")
    readonly_fields: ClassVar[tuple[str, ...]] = ("state", "word")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "state",
                    "name",
                    ("event_date", "event_time", "end_time"),
                    ("location", "venue"),
                    ("event_type", "main_artist"),
                    "artists",
                    "description",
                    "image_url",
                    "cloudinary_public_id",
                )
            },
        ),
        ("Rules", {"fields": (("min_age", "hold_minutes"), "is_featured", "word")}),
    )

    class Media:
        css = {"all": ("office/pictures.css",)}
        js = ("office/uploads.js",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Nights

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return may_reach_the_host(super().changeform_view)(request, *args, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Event | None = None) -> Any:
        if obj is not None and self.has_change_permission(request, obj):
            return self.fieldsets
        # Nothing is known of a new night yet, and whoever only looks has no use for the form's own fields.
        hidden = {"state", "word"} if obj is None else {"cloudinary_public_id"}
        return [(name, {**options, "fields": _without(options["fields"], hidden)}) for name, options in self.fieldsets]

    def store(self, request: HttpRequest, form: Any, formsets: Sequence[Any], *, is_new: bool) -> Event:
        [formset] = formsets
        tiers, removed = tiers_of(formset)
        actor: Any = request.user
        if is_new:
            return planning.create_event(form.changes(), tiers, actor=actor)
        event = planning.update_event(
            form.instance.pk, form.changes(), tiers, actor=actor, removed=removed, keep_prices=True
        )
        for tier in TicketTier.objects.filter(pk__in=removed):
            messages.warning(request, f"{tier} has orders, so it stays; it is off sale now.")
        return event

    def permit(self, request: HttpRequest, row: Event | None) -> dict[str, Any]:
        actor: Any = request.user
        return images.sign_upload(event_id=row.pk if row else None, folder=None, actor=actor)

    @admin.display(description="Date", ordering="event_date")
    def when(self, event: Event) -> str:
        return f"{date_format(event.event_date, 'D j M Y')}, {event.event_time:%H:%M}"

    @admin.display(description="Place")
    def place(self, event: Event) -> str:
        return ", ".join(part for part in (event.venue, event.location) if part)

    @admin.display(description="Status", ordering="status")
    def state(self, event: Event) -> SafeString:
        return format_html('<span class="state state-{}">{}</span>', event.status, event.status)

    @admin.display(description="Name in addresses")
    def word(self, event: Event) -> str:
        return event.slug or "-"

    @admin.display(description="Taken")
    def sold(self, event: Any) -> SafeString:
        return seats_bar(*event.seats)


def _without(fields: Sequence[Any], hidden: set[str]) -> list[Any]:
    """The rows of a fieldset without these fields."""
    rows = [row if isinstance(row, str) else tuple(name for name in row if name not in hidden) for row in fields]
    return [row for row in rows if row not in hidden]
