"""The admin site: whose it is, and how its screens are grouped."""

from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import BadRequest
from django.http import HttpRequest
from django.urls import reverse

# In the order of the navigation: (heading, what stands below it). A model that is named nowhere stands at the end.
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Season", ("events.Event", "gallery.Gallery")),
    ("Sales", ("orders.Order", "orders.Payment", "mail.OutboxEmail")),
    ("Door", ("orders.CheckIn", "orders.RefusedScan")),
    ("Guests by mail", ("newsletter.Subscriber",)),
    ("House", ("accounts.User", "constance.Config", "audit.AuditLog", "orders.WebhookDelivery", "orders.JournalEntry")),
)
REST = "House"
# Pages that are no model's: (heading, name, view, permission). They come first below their heading.
PAGES: tuple[tuple[str, str, str, str], ...] = (
    ("Sales", "Money to look at", "money", "orders.view_payment"),
    ("Sales", "Exports", "exports", "orders.export_order"),
    ("Door", "Door lists", "door-lists", "orders.view_checkin"),
)


class OfficeSite(admin.AdminSite):
    """Django's admin for people who run the season. Its home page, the dashboard, is in the map (`urls.py`)."""

    site_header = "Home Productions"
    site_title = "Home Productions office"
    index_title = "Tonight and the season"
    enable_nav_sidebar = True
    empty_value_display = '<span class="nothing">-</span>'  # a card on a phone leaves it out

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        return super().admin_view(_refusing_nul(view), cacheable)

    def get_urls(self) -> list[Any]:
        # None of our rows has a page of its own outside; Django's way to one knows no ids like ours.
        return [url for url in super().get_urls() if getattr(url, "name", "") != "view_on_site"]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """The navigation, grouped by what people do instead of by our modules."""
        apps = super().get_app_list(request, app_label)
        if app_label is not None:
            return apps
        models = {f"{app['app_label']}.{row['object_name']}": row for app in apps for row in app["models"]}
        groups = {heading: self._pages(request, heading) for heading, _ in GROUPS}
        for heading, names in GROUPS:
            groups[heading] += [models.pop(name) for name in names if name in models]
        groups[REST] += models.values()
        return [_group(heading, rows) for heading, rows in groups.items() if rows]

    def _pages(self, request: HttpRequest, heading: str) -> list[dict[str, Any]]:
        user: Any = request.user
        return [
            {"name": name, "object_name": view, "admin_url": reverse(view), "view_only": True, "perms": {}}
            for group, name, view, permission in PAGES
            if group == heading and user.has_perm(permission)
        ]


def _refusing_nul(view: Any) -> Any:
    """The view, which no form with a NUL in it reaches: it matches nothing, and the database driver fails on it."""

    @wraps(view)
    def refusing(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if any("\x00" in value for _, values in request.POST.lists() for value in values):
            raise BadRequest("NUL in a form")
        return view(request, *args, **kwargs)

    return refusing


def _group(heading: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """As Django's own entry of an app, which its templates expect."""
    label = heading.lower().replace(" ", "-")
    return {"name": heading, "app_label": label, "app_url": "", "has_module_perms": True, "models": rows}
