"""The journal: every movement of seats and money, which nobody can change."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from homeproductions.office.screens import ReadOnly
from orders.models import JournalEntry
from orders.queries import normal_number

from .filters import DayFilter, NightFilter
from .words import night, order_url


@admin.register(JournalEntry)
class JournalEntryAdmin(ReadOnly):
    list_display = ("created_at", "kind", "order_number", "money", "seats", "night", "tier")
    list_filter = ("kind", NightFilter, DayFilter)
    search_fields = ("order__order_number",)
    search_help_text = "Search by the whole number of an order"
    sortable_by = ()
    fields = ("created_at", "kind", "order_link", "night", "tier", "seats", "money", "payment")

    class Media:
        css = {"all": ["office/orders.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[JournalEntry]:
        return super().get_queryset(request).select_related("order", "event", "tier", "payment")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-created_at", "-id")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[JournalEntry], search_term: str
    ) -> tuple[QuerySet[JournalEntry], bool]:
        number = normal_number(search_term)
        return (queryset.filter(order__order_number=number) if number else queryset), False

    @admin.display(description="Order")
    def order_number(self, entry: JournalEntry) -> str:
        return entry.order.order_number

    @admin.display(description="Order")
    def order_link(self, entry: JournalEntry) -> SafeString:
        return format_html('<a href="{}">{}</a>', order_url(entry.order), entry.order.order_number)

    @admin.display(description="Amount")
    def money(self, entry: JournalEntry) -> str:
        return f"{entry.amount:+} {entry.currency}" if entry.amount else "-"

    @admin.display(description="Event")
    def night(self, entry: JournalEntry) -> str:
        return night(entry.event)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields
