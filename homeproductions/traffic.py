"""How many requests this web server has answered, by kind of route and status, for `/metrics`.

All workers of one server count together: each has a page of numbers of its own in memory that they share since the
fork, and whoever is asked adds them up. No lock is shared between processes, so a worker that is killed while it
counts stops nobody; its page goes on with whoever takes its place, and nothing is counted down.
"""

import fcntl
import mmap
import os
import tempfile
import threading
from collections import Counter

PAGES = 128  # more workers than any host of ours runs
MICROSECONDS = 1_000_000

# By the first part of the path below /api, or of the path itself.
API = {
    "events": "events",
    "orders": "orders",
    "checkin": "checkin",
    "webhook": "webhook",
    "auth": "auth",
    "admin": "admin_api",
    "gallery": "gallery",
    "newsletter": "newsletter",
}
PLACES = {
    "admin": "office",
    "orders": "order_page",
    "newsletter": "newsletter",
    "health": "health",
    "metrics": "metrics",
}
OTHER = "other"
ROUTES = (*dict.fromkeys((*API.values(), *PLACES.values())), OTHER)
STATUSES = (200, 201, 204, 301, 302, 304, 400, 401, 403, 404, 409, 411, 413, 415, 422, 429, 500, 503)
COLUMNS = (*map(str, STATUSES), OTHER)
STATUS_PLACES = {status: place for place, status in enumerate(STATUSES)}
# Of each route: so many answers of each status, and the microseconds that all of them took.
ROUTE_STARTS = {route: place * (len(COLUMNS) + 1) for place, route in enumerate(ROUTES)}
PAGE_SIZE = len(ROUTES) * (len(COLUMNS) + 1)


def route_of(path: str) -> str:
    """One of ROUTES, whatever a caller asks for."""
    parts = path.split("/", 3)
    if parts[1:2] == ["api"]:
        return API.get(parts[2], OTHER) if len(parts) > 2 else OTHER
    return PLACES.get(parts[1], OTHER) if len(parts) > 1 else OTHER


class Traffic:
    """Made before the workers are forked, so that they share it."""

    def __init__(self, pages: int = PAGES) -> None:
        self.pages = pages
        self._numbers = memoryview(mmap.mmap(-1, pages * PAGE_SIZE * 8)).cast("q")
        self._claims = _empty_file()
        self._leave_page()
        os.register_at_fork(after_in_child=self._leave_page)

    def note(self, path: str, status: int, seconds: float) -> None:
        """Count one answer."""
        start = ROUTE_STARTS[route_of(path)]
        place = start + STATUS_PLACES.get(status, len(STATUSES))
        with self._lock:
            page = self._take_page() if self._page is None else self._page
            self._numbers[page + place] += 1
            self._numbers[page + start + len(COLUMNS)] += round(seconds * MICROSECONDS)

    def answers(self) -> Counter[tuple[str, str]]:
        """How many answers of each route had which status, by all workers; what never happened is left out."""
        found: Counter[tuple[str, str]] = Counter()
        for route, start in ROUTE_STARTS.items():
            for place, status in enumerate(COLUMNS):
                if count := self._sum(start + place):
                    found[route, status] = count
        return found

    def seconds(self) -> dict[str, float]:
        """How long the answers of each route took in all."""
        ends = {route: start + len(COLUMNS) for route, start in ROUTE_STARTS.items()}
        return {route: total / MICROSECONDS for route, place in ends.items() if (total := self._sum(place))}

    def _sum(self, place: int) -> int:
        return sum(self._numbers[place::PAGE_SIZE])

    def _leave_page(self) -> None:
        self._page: int | None = None
        self._lock = threading.Lock()

    def _take_page(self) -> int:
        """A page that no living process writes: the system gives up the claims of one that ends, however it ends."""
        page = next(filter(self._claim, range(self.pages)), os.getpid() % self.pages)
        self._page = page * PAGE_SIZE
        return self._page

    def _claim(self, page: int) -> bool:
        try:
            fcntl.lockf(self._claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, page)
        except OSError:
            return False
        return True


def _empty_file() -> int:
    """To lock bytes of. Where the system can, in memory: a full disk must not keep a web server from starting."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("traffic")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


traffic = Traffic()
