"""Pages of long lists without counting all of their rows on each click."""

from functools import cached_property
from typing import Any

from django.core.paginator import Paginator

COUNTED = 5_000


class CappedPaginator(Paginator):
    """Counts to 5 000 and no further: nobody turns a hundred pages, they search. A full count reads the whole table."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        if hasattr(rows, "order_by"):
            # Only the key: what else a row shows need not be looked up to be counted.
            return int(rows.order_by().values("pk")[: COUNTED + 1].count())
        return len(rows)

    def validate_number(self, number: Any) -> int:
        """A page behind the last is the last: the list was longer when its link was made."""
        return super().validate_number(min(max(int(number), 1), self.num_pages))

    @property
    def is_capped(self) -> bool:
        return self.count > COUNTED
