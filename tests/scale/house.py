"""Two web servers of two workers each, as in production, on one PostgreSQL behind PgBouncer; nginx in front of both."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar

import requests

from tests.processes import web_server
from tests.scale.programs import pooler, proxy, redis_server

T = TypeVar("T")
PATIENCE = 60  # seconds, for an answer
WORKERS = 2
METRICS = "a token for Prometheus that nobody guesses"
# nginx and the tests come from there: what nginx says about the guest's address is believed, and so is what we say.
BEHIND_NGINX = {
    "TRUSTED_PROXIES": "127.0.0.1/32",
    "METRICS_TOKEN": METRICS,
    # A window of weeks: none ends in the middle of a test.
    "RATE_LIMIT_ORDER_MISSES": "30/9d",
}
_guests = count(1)


@dataclass(frozen=True)
class House:
    front: str  # nginx
    one: str
    other: str
    variables: Mapping[str, str]  # for whatever else shall run in this house

    @property
    def servers(self) -> tuple[str, str]:
        return self.one, self.other


@contextmanager
def open_house(
    folder: Path, application: str = "homeproductions.wsgi", *, redis: bool = False, connections: int = 4, **more: str
) -> Iterator[House]:
    """The house for the length of a block. Limits count in PostgreSQL, or in a Redis of its own."""
    with ExitStack() as stack:
        url = stack.enter_context(pooler(folder, connections=connections))
        counters = stack.enter_context(redis_server(folder)) if redis else ""
        variables = {**BEHIND_NGINX, "DATABASE_URL": url, "REDIS_URL": counters, "DATABASE_PREPARE": "", **more}
        log = stack.enter_context((folder / "web.log").open("w"))
        one, other = (
            stack.enter_context(web_server(application, workers=WORKERS, log=log, **variables)) for _ in range(2)
        )
        yield House(stack.enter_context(proxy(folder, [one, other])), one, other, variables)


def from_a_guest() -> dict[str, str]:
    """Headers of somebody with an address of their own. Each request on a connection of its own, so that no worker
    gets all of them."""
    number = next(_guests)
    return {"X-Forwarded-For": f"203.0.{number // 250}.{number % 250 + 1}", "Connection": "close"}


def post(address: str, path: str, body: Any, headers: Mapping[str, str]) -> requests.Response:
    return requests.post(address + path, json=body, headers=dict(headers), timeout=PATIENCE)


def get(address: str, path: str, headers: Mapping[str, str]) -> requests.Response:
    return requests.get(address + path, headers=dict(headers), timeout=PATIENCE)


def at_once(jobs: Iterable[Callable[[], T]]) -> list[T]:
    """Run all of them in the same moment; their results in order."""
    jobs = list(jobs)
    start = Barrier(len(jobs))

    def run(job: Callable[[], T]) -> T:
        start.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as threads:
        return list(threads.map(run, jobs))


def answered(address: str) -> int:
    """How many requests this web server has answered, all its workers together."""
    page = get(address, "/metrics", {"Authorization": f"Bearer {METRICS}"})
    assert page.status_code == 200, page.text
    lines = [line for line in page.text.splitlines() if line.startswith("homeproductions_requests_total{")]
    return round(sum(float(line.rsplit(" ", 1)[1]) for line in lines))
