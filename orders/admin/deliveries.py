"""What payment providers sent, as it came."""

import json

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from homeproductions.office.filters import by_value
from homeproductions.office.screens import ReadOnly
from orders.models import WebhookDelivery
from orders.providers.registry import BY_NAME


def body_text(delivery: WebhookDelivery) -> str:
    """The body for people: JSON with a line for each value, anything else as it is."""
    text = bytes(delivery.body).decode("utf-8", "replace")
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnly):
    """Every notice as it came. `failed` ones are tried again by themselves; `ignored` ones said nothing to us."""

    list_display = ("received_at", "provider", "status", "reason", "attempts", "event_id")
    list_filter = ("status", by_value("provider", tuple(BY_NAME)))
    search_fields = ("event_id",)
    search_help_text = "Search by the provider's id of the event"
    sortable_by = ()
    fields = ("provider", "event_id", "status", "reason", "attempts", "received_at", "processed_at", "text")

    class Media:
        css = {"all": ["office/orders.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        return super().get_queryset(request).defer("body", "headers")

    @admin.display(description="Body")
    def text(self, delivery: WebhookDelivery) -> SafeString:
        return format_html(
            '<pre class="body-text" tabindex="0" role="region" aria-label="Body">{}</pre>', body_text(delivery)
        )
