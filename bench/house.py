"""Everything that runs while profiles are measured."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from .check import Books
from .load import Measurement
from .processes import WebServer
from .season import Season


@dataclass(frozen=True)
class Sides:
    """What is measured in turn."""

    real: Callable[[], Measurement]
    ceiling: Callable[[], Measurement]


@dataclass
class Memory:
    """The largest proportional set size of a kind of process, in MB of a million bytes."""

    title: str
    limit: float
    found: float = 0

    @property
    def is_met(self) -> bool:
        return self.found < self.limit

    def note(self, process: Any) -> None:
        self.found = max(self.found, pss(process.pid))


def pss(pid: int) -> float:
    """What the process has of the memory: its own, and its share of what it has in common with others."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6


@dataclass(frozen=True)
class House:
    place: str  # the URL of the PostgreSQL server, where a profile may have a second database
    season: Season
    server: WebServer
    books: Books
    folder: Path
    seconds: int
    web_memory: Memory = field(default_factory=lambda: Memory("a web worker", 110))
    mail_memory: Memory = field(default_factory=lambda: Memory("an outbox worker", 90))

    def note_memory(self) -> None:
        for worker in self.server.workers():
            self.web_memory.note(worker)


def bearer(season: Season, server: WebServer, email: str) -> tuple[str, str]:
    """The header of somebody who has just signed in: good for 15 minutes."""
    body = {"email": email, "password": season.environment["DEFAULT_ADMIN_PASSWORD"]}
    found = requests.post(f"{server.url}/api/auth/login", json=body, timeout=30)
    found.raise_for_status()
    return "Authorization", f"Bearer {found.json()['accessToken']}"
