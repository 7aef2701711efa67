"""The office's screen for the history: who did what to what, old and new side by side. Nobody changes it."""

import json
from functools import cache
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from homeproductions.office.links import link, page_of
from homeproductions.office.rows import PreparedRows
from homeproductions.office.screens import ReadOnly

from . import queries
from .models import AuditLog

NOBODY = "a guest, a provider or the system"
SHOWN_IN_LIST = 3


class ActionFilter(admin.SimpleListFilter):
    title = "what"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(action, words(action)) for action in queries.actions()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditLog]) -> QuerySet[AuditLog]:
        return queryset.filter(action=self.value()) if self.value() else queryset


class EntityFilter(admin.SimpleListFilter):
    title = "about"
    parameter_name = "entity_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, kind(name)) for name in queries.entity_types() if name]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditLog]) -> QuerySet[AuditLog]:
        return queryset.filter(entity_type=self.value()) if self.value() else queryset


class ActorFilter(admin.SimpleListFilter):
    title = "who"
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        people = get_user_model()._default_manager.order_by("email").values_list("pk", "email")
        return [("nobody", "Nobody of us"), *((str(pk), email) for pk, email in people)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditLog]) -> QuerySet[AuditLog]:
        who = self.value()
        if who == "nobody":
            return queryset.filter(user=None)
        if not who:
            return queryset
        return queryset.filter(user_id=who) if who in dict(self.lookup_choices) else queryset.none()


@admin.register(AuditLog)
class AuditLogAdmin(PreparedRows, ReadOnly):
    list_display = ("created_at", "what", "about", "changed", "who")
    list_display_links = ("created_at", "what")
    list_filter = ("created_at", ActionFilter, EntityFilter, ActorFilter)
    parameters = ("entity_id__exact",)
    list_select_related = ("user",)
    search_fields = ("action",)  # makes the box; `queries.search` says what is looked for
    search_help_text = (
        "An order number or its beginning, an id, a day (2026-11-23), address or name of one of us, a night, or what "
        "was done, in the words of the list (status change)."
    )
    sortable_by = ()
    fields = ("created_at", "what", "about", "who", "ip_address", "user_agent", "old_and_new")

    class Media:
        css = {"all": ["office/records.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditLog]:
        return super().get_queryset(request).select_related("user")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditLog], search_term: str
    ) -> tuple[QuerySet[AuditLog], bool]:
        text = search_term.strip()
        return queries.search(queryset, text) if text else queryset, False

    def prepare(self, request: HttpRequest, rows: list[Any]) -> None:
        """Give each row the name of its entity and a link to the page: one query for each kind of entity."""
        names: dict[UUID, str] = {}
        for entity_type in {row.entity_type for row in rows}:
            ids = {row.entity_id for row in rows if row.entity_type == entity_type and row.entity_id}
            names |= queries.names_of(entity_type, ids) if ids else {}
        for row in rows:
            row.about_link = self._about(request, row, names)

    def _about(self, request: HttpRequest, row: AuditLog, names: dict[UUID, str]) -> SafeString | str:
        if row.entity_id is None:
            return kind(row.entity_type)
        name = names.get(row.entity_id) or str(row.entity_id)[:8]
        page = page_of(self.admin_site, request, row.entity_type, row.entity_id)
        return format_html("{} {}", kind(row.entity_type), link(page, name))

    @admin.display
    def what(self, row: AuditLog) -> str:
        return words(row.action)

    @admin.display
    def about(self, row: Any) -> SafeString | str:
        return row.about_link

    @admin.display
    def who(self, row: AuditLog) -> str:
        return str(row.user) if row.user else NOBODY

    @admin.display
    def changed(self, row: AuditLog) -> str:
        lines = [_in_a_line(*change) for change in changes(row)]
        more = f" and {len(lines) - SHOWN_IN_LIST} more" if len(lines) > SHOWN_IN_LIST else ""
        return ", ".join(lines[:SHOWN_IN_LIST]) + more

    @admin.display(description="Old and new")
    def old_and_new(self, row: AuditLog) -> SafeString | str:
        rows = format_html_join("", '<tr><th scope="row">{}</th><td>{}</td><td>{}</td></tr>', changes(row))
        if not rows:
            return "Nothing more was noted."
        head = '<thead><tr><th scope="col">What</th><th scope="col">Old</th><th scope="col">New</th></tr></thead>'
        return format_html('<table class="old-and-new">{}<tbody>{}</tbody></table>', SafeString(head), rows)


def changes(row: AuditLog) -> list[tuple[str, str, str]]:
    """(name, old, new) of everything the row notes; what was not there before or is not any more is a dash."""
    old, new = row.old_value or {}, row.new_value or {}
    return [(words(name), _text(old, name), _text(new, name)) for name in {**old, **new}]


def kind(entity_type: str) -> str:
    """What an entity is called on its own screens."""
    return _kinds().get(entity_type) or words(entity_type)


@cache
def _kinds() -> dict[str, str]:
    return {str(model._meta.model_name): capfirst(str(model._meta.verbose_name)) for model in apps.get_models()}


def words(name: str) -> str:
    """STATUS_CHANGE and `unit_price` as people write them."""
    return name.replace("_", " ").strip().capitalize()


def _in_a_line(name: str, old: str, new: str) -> str:
    return f"{name}: {new}" if old == "-" else f"{name}: {old} → {new}"


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case str():
            return value or "(empty)"
        case list() if all(isinstance(each, str) for each in value):
            return ", ".join(value)
    return json.dumps(value, ensure_ascii=False)
