"""Who was let in, and who was turned away."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from homeproductions.office.filters import Choice
from homeproductions.office.screens import ReadOnly
from orders.models import CheckIn, RefusedScan
from orders.queries import normal_number
from orders.search import plain
from orders.services.checkin import REFUSALS

from .filters import DayFilter, NightFilter
from .words import night, order_url


class NightOfOrder(NightFilter):
    column = "order__event_id"


class InDays(DayFilter):
    column = "checked_in_at"


class RefusedDays(DayFilter):
    column = "scanned_at"


class DoorScreen(ReadOnly):
    """Rows of an order. Door staff see them, so nothing of the guest but the name; nor may it be asked for."""

    search_fields = ("order__order_number",)
    search_help_text = "Search by number or name"
    sortable_by = ()

    class Media:
        css = {"all": ["office/orders.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("order__event", "order__tier")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        name = f"{row.order.buyer_name}, order {row.order}" if row is not None and row.order else "Nobody we know"
        context = {"title": name, "subtitle": None}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        for word in search_term.split():
            number = Q(order__order_number=normal_number(word))
            queryset = queryset.filter(number | Q(order__buyer_name__plain__contains=plain(word)))
        return queryset, False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    @admin.display(description="Order")
    def order_number(self, row: Any) -> str:
        return row.order.order_number if row.order else "-"

    @admin.display(description="Order")
    def order_link(self, row: Any) -> SafeString | str:
        return format_html('<a href="{}">{}</a>', order_url(row.order), row.order) if row.order else "-"

    @admin.display
    def guest(self, row: Any) -> str:
        return row.order.buyer_name if row.order else "-"

    @admin.display(description="Event")
    def night(self, row: Any) -> str:
        return night(row.order.event) if row.order else "-"


@admin.register(CheckIn)
class CheckInAdmin(DoorScreen):
    list_display = ("guest", "people", "checked_in_at", "order_number", "night", "by")
    list_filter = (NightOfOrder, InDays)
    fields = ("guest", "order_link", "night", "people", "checked_in_at", "by", "device_info")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CheckIn]:
        return super().get_queryset(request).select_related("checked_in_by")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-checked_in_at", "-id")

    @admin.display
    def people(self, row: CheckIn) -> str:
        return f"{row.admitted} of {row.order.quantity}"

    @admin.display(description="Let in by")
    def by(self, row: CheckIn) -> str:
        return row.checked_in_by.name if row.checked_in_by else "-"


class CodeFilter(Choice):
    title = "why"
    parameter_name = "code"
    choices_known = [(code, refusal.message, Q(code=code)) for code, refusal in REFUSALS.items()]


@admin.register(RefusedScan)
class RefusedScanAdmin(DoorScreen):
    list_display = ("scanned_at", "why", "guest", "order_number", "night", "by")
    list_filter = (CodeFilter, NightOfOrder, RefusedDays)
    fields = ("scanned_at", "why", "guest", "order_link", "night", "by", "device_info")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RefusedScan]:
        return super().get_queryset(request).select_related("scanned_by")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-scanned_at", "-id")

    @admin.display
    def why(self, row: RefusedScan) -> str:
        return REFUSALS[row.code].message if row.code in REFUSALS else row.code

    @admin.display(description="Scanned by")
    def by(self, row: RefusedScan) -> str:
        return row.scanned_by.name if row.scanned_by else "-"
