"""Periodic work of the worker loop: each app registers its chores, `process_outbox` runs those that are due.

A chore does everything due whenever it runs, so it may be skipped, repeated or run twice at the same time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from traceback import extract_tb

import structlog

logger = structlog.get_logger(__name__)


@dataclass
class Chore:
    name: str
    every: timedelta
    function: Callable[[], object]
    last_run: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        return self.last_run is None or now - self.last_run >= self.every


CHORES: dict[str, Chore] = {}


def register(name: str, every: timedelta, function: Callable[[], object]) -> None:
    """Run `function` about every `every` for as long as a worker runs. Its return value is ignored."""
    if name in CHORES:
        raise ValueError(f"two chores are called {name!r}")
    CHORES[name] = Chore(name, every, function)


def run_due(now: datetime) -> list[str]:
    """Run each chore whose time has come. Returns the names of those that failed."""
    return _run([chore for chore in CHORES.values() if chore.is_due(now)], now)


def run_all(now: datetime) -> list[str]:
    """Run every chore, due or not. Returns the names of those that failed."""
    return _run(list(CHORES.values()), now)


def _run(chores: list[Chore], now: datetime) -> list[str]:
    return [chore.name for chore in chores if not _succeeds(chore, now)]


def _succeeds(chore: Chore, now: datetime) -> bool:
    # Noted first: a chore that fails waits for its next turn like any other.
    chore.last_run = now
    try:
        chore.function()
    except Exception as error:
        logger.error("chore failed", chore=chore.name, **outline(error))
        return False
    return True


def outline(error: Exception) -> dict[str, str]:
    """Kind and place of an error, for the log. Not its text: that of a database error can quote a guest's data."""
    frames = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in extract_tb(error.__traceback__)]
    return {"error": type(error).__name__, "where": " > ".join(frames)}
