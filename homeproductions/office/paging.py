"""Pages of long lists without reading all of their rows on each click."""

from functools import cached_property
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Page, Paginator
from django.http import HttpRequest

COUNTED = 5_000


class CappedPaginator(Paginator):
    """Counts to 5 000 and no further: nobody turns a hundred pages, they search. What the counting has found is what
    the pages show, so that a search which has to look at every row does so once."""

    object_list: Any

    @cached_property
    def keys(self) -> list[Any]:
        # Only these: what else a row shows need not be looked up to be counted.
        return list(self.object_list.values_list("pk", flat=True)[: COUNTED + 1])

    @cached_property
    def count(self) -> int:
        return len(self.keys)

    def validate_number(self, number: Any) -> int:
        """A page behind the last is the last: the list was longer when its link was made."""
        return super().validate_number(min(max(int(number), 1), self.num_pages))

    @property
    def is_capped(self) -> bool:
        return self.count > COUNTED

    def page(self, number: int | str) -> Page:
        place = self.validate_number(number)
        keys = self.keys[(place - 1) * self.per_page : place * self.per_page]
        return Page(self.object_list.filter(pk__in=keys), place, self)


class Listing(ChangeList):
    """A list that shows what its paginator found, also when that fits on one page."""

    paginator: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = self.paginator.get_page(self.page_num).object_list
