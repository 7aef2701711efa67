"""Rows that know about whoever looks at them."""

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest


class PreparedRows:
    """For a ModelAdmin: `prepare` sees all rows of a list at once, or the one of a page, before they are shown. There
    it gives them what a column cannot find out by itself: links this user may follow, names from other tables."""

    def prepare(self, request: HttpRequest, rows: list[Any]) -> None:
        raise NotImplementedError

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)  # type: ignore[misc]
        changelist.result_list = list(changelist.result_list)
        self.prepare(request, changelist.result_list)
        return changelist

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)  # type: ignore[misc]
        if row is not None:
            self.prepare(request, [row])
        return row


def filled(screen: Any, row: Any, names: Iterable[str]) -> list[str]:
    """The fields of a screen that have something to say about the row."""
    return [name for name in names if _said(screen, row, name) not in ("-", "", None)]


def _said(screen: Any, row: Any, name: str) -> Any:
    of_screen = getattr(screen, name, None)
    return of_screen(row) if callable(of_screen) else getattr(row, name)
