"""Base screens. Services write the history (audit), so Django's own log of changes, which would keep names and
addresses for ever, is not written."""

from collections.abc import Collection
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from .paging import CappedPaginator, Listing
from .steps import StepPages


def known_by(list_filter: Any) -> Collection[str]:
    """What this filter of a list understands in an address."""
    if isinstance(list_filter, str):
        return [f"{list_filter}{question}" for question in ("", "__exact", "__gte", "__lt", "__isnull")]
    return getattr(list_filter, "names", None) or [list_filter.parameter_name]


class Screen(StepPages, admin.ModelAdmin):
    """A list and a page per row. Rows are never deleted here; what ends, ends by a step."""

    list_per_page = 50
    show_full_result_count = False
    list_max_show_all = 0
    paginator = CappedPaginator
    # Numbers beside each filter would be one more scan of the table each.
    show_facets = admin.ShowFacets.NEVER
    actions = None
    # What may stand in the address of the list beside its filters, for links that lead here.
    parameters: Collection[str] = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Listing

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Django would ask any column anything: what is hidden could be guessed, and some questions have no answer."""
        return lookup in self.parameters or any(lookup in known_by(each) for each in self.get_list_filter(request))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = str(self.opts.verbose_name_plural).capitalize()
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return None

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What was done to the row, in the audit."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        query = urlencode({"entity_id__exact": object_id})
        return HttpResponseRedirect(f"{reverse('admin:audit_auditlog_changelist')}?{query}")


class ReadOnly(Screen):
    """Rows that only providers, guests and services write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
