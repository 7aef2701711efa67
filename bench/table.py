"""The figures of all rounds as a table for people and as data."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from .house import Memory
from .load import Measurement

HEAD = ("profile", "per second", "p50 ms", "p99 ms", "errors", "ceiling", "of it", "ratio", "reach", "met")


@dataclass
class Row:
    """One profile: what each round brought, and its ceiling right after it."""

    name: str
    title: str
    against: str
    reach: float | None
    real: list[Measurement] = field(default_factory=list)
    ceiling: list[Measurement] = field(default_factory=list)

    def add(self, real: Measurement, ceiling: Measurement) -> None:
        self.real.append(real)
        self.ceiling.append(ceiling)

    @property
    def ratios(self) -> list[float]:
        return [
            real.rate / ceiling.rate if ceiling.rate else 0.0
            for real, ceiling in zip(self.real, self.ceiling, strict=True)
        ]

    @property
    def errors(self) -> int:
        return sum(each.errors for each in self.real + self.ceiling)

    @property
    def is_met(self) -> bool | None:
        if self.reach is None:
            return None
        return median(self.ratios) >= self.reach and not any(each.is_short for each in self.real)

    @property
    def notes(self) -> list[str]:
        """What the last round has to say besides figures, and how often the server hung up."""
        notes = [each.note for each in (self.real[-1], self.ceiling[-1]) if each.note]
        if dropped := sum(each.dropped for each in self.real + self.ceiling):
            notes.append(f"{dropped} connections were closed by a server, as when it replaces a worker")
        return [f"{self.title}: {note}" for note in notes]

    def cells(self) -> list[str]:
        return [
            self.title,
            _spread([each.rate for each in self.real], ".0f"),
            _middle(each.p50 for each in self.real),
            _middle(each.p99 for each in self.real),
            str(self.errors),
            self.against,
            f"{median(each.rate for each in self.ceiling):.0f}",
            _spread(self.ratios, ".2f"),
            "" if self.reach is None else f"{self.reach:g}",
            _word(self.is_met),
        ]


def table(rows: list[Row]) -> str:
    """Markdown, so that it can be pasted as it is."""
    lines = [list(HEAD), *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    rule = ["-" * width for width in widths]
    return "\n".join(f"| {' | '.join(map(str.ljust, line, widths))} |" for line in (lines[0], rule, *lines[1:]))


def memory_table(kinds: list[Memory]) -> str:
    lines = [f"| {each.title} | {each.found:.0f} | {each.limit:g} | {_word(each.is_met)} |" for each in kinds]
    return "\n".join(["| memory after the run | MB | below | met |", "| --- | --- | --- | --- |", *lines])


def as_data(facts: dict[str, object], rows: list[Row], memory: list[Memory]) -> dict[str, Any]:
    """The same with every round, for programs."""
    profiles = [
        {**asdict(row), "ratios": row.ratios, "ratio": median(row.ratios), "met": row.is_met, "notes": row.notes}
        for row in rows
    ]
    return {"machine": facts, "profiles": profiles, "memory": [{**asdict(each), "met": each.is_met} for each in memory]}


def _spread(values: list[float], form: str) -> str:
    return f"{median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def _middle(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{median(known):.1f}" if known else ""


def _word(is_met: bool | None) -> str:
    return {True: "yes", False: "no", None: ""}[is_met]
