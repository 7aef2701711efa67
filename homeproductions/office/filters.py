"""Filters of lists. Django asks the whole table what a plain text column holds; these are told."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest


class Choice(admin.SimpleListFilter):
    """Base of a filter whose choices are known: `choices_known` are (word in the address, what it says, condition)."""

    choices_known: Sequence[tuple[str, str, Q]] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(word, said) for word, said, _ in self.choices_known]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        condition = next((condition for word, _, condition in self.choices_known if word == self.value()), None)
        return queryset.none() if condition is None else queryset.filter(condition)


def by_value(column: str, values: Iterable[str], heading: str = "") -> type[Choice]:
    """A filter by the values that a text column may have."""

    class ByValue(Choice):
        title = heading or column.replace("_", " ")
        parameter_name = column
        choices_known = [(value, value, Q(**{column: value})) for value in values]

    return ByValue
