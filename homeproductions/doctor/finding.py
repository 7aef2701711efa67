"""What a check says."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    OK = "ok"
    NOTE = "note"  # worth knowing; nobody has to do anything
    WRONG = "wrong"  # needs a person


@dataclass(frozen=True)
class Finding:
    """One sentence, what to do about it, and the single things behind it. None of them names a guest."""

    verdict: Verdict
    message: str
    hint: str = ""
    details: tuple[str, ...] = ()


def ok(message: str) -> Finding:
    return Finding(Verdict.OK, message)


def note(message: str, hint: str = "", details: tuple[str, ...] = ()) -> Finding:
    return Finding(Verdict.NOTE, message, hint, details)


def wrong(message: str, hint: str = "", details: tuple[str, ...] = ()) -> Finding:
    return Finding(Verdict.WRONG, message, hint, details)


def age(seconds: float) -> str:
    """`40 seconds`, `25 minutes`, `3 hours` or `9 days`, rounded down."""
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}s"
    return plural(int(seconds), "second")


def plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
