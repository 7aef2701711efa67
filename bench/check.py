"""Whether the data say what the answers said: every order counted once, and no seat sold twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .load import Measurement
from .season import Season

SQL = Path(__file__).with_name("check.sql").read_text(encoding="utf-8")


class Books:
    """Compares the books before and after a load; `faults` names whatever does not add up."""

    def __init__(self, season: Season) -> None:
        self.season = season
        self.faults: list[str] = []

    def look(self) -> dict[str, Any]:
        return self.season.rows(SQL)[0]

    @contextmanager
    def watching(self, name: str) -> Iterator["Watch"]:
        """Tell what this yields what to expect. The data are taken back at the end."""
        watch = Watch(self.look())
        yield watch
        watch.after = self.look()
        self.faults += [f"{name}: {fault}" for fault in watch.faults()]
        self.season.reset()


class Watch:
    """The books around one load."""

    def __init__(self, before: dict[str, Any]) -> None:
        self.before = self.after = before
        self._claims: list[tuple[str, int, int]] = []

    def expect(self, column: str, measurement: Measurement, *, in_flight: int) -> Measurement:
        """So many rows were answered for. When a load ends, the last requests are done but their answers unread."""
        self._claims.append((column, measurement.done, in_flight + measurement.dropped))
        return measurement

    def expect_nothing(self, column: str) -> None:
        self._claims.append((column, 0, 0))

    def grown(self, column: str) -> int:
        return int(self.after[column] - self.before[column])

    def faults(self) -> Iterator[str]:
        for column, answered, in_flight in self._claims:
            if not answered <= self.grown(column) <= answered + in_flight:
                yield f"{answered} answers, but {column} grew by {self.grown(column)}"
        if not self.after["sold"] == self.after["live"] == self.after["journal"]:
            yield "sold {sold}, seats of live orders {live}, seats in the journal {journal}".format(**self.after)
        if self.after["tiers_off"] or self.after["oversold"]:
            yield "{tiers_off} tiers sold not what their orders hold, {oversold} are oversold".format(**self.after)
