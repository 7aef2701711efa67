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
from requests.adapters import HTTPAdapter

from tests.faults.redis_server import running_redis
from tests.processes import web_server
from tests.scale.programs import pooler, proxy

T = TypeVar("T")
PATIENCE = 60  # seconds, for an answer
WORKERS = 2
METRICS = "a token for Prometheus that nobody guesses"
# nginx comes from there; callers have other addresses of this machine.
BEHIND_NGINX = {
    "TRUSTED_PROXIES": "127.0.0.1/32",
    "METRICS_TOKEN": METRICS,
    # A window of weeks: none ends in the middle of a test.
    "RATE_LIMIT_ORDER_MISSES": "30/9d",
}
_callers = count()


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
    folder: Path,
    application: str = "homeproductions.wsgi",
    *,
    redis: bool = False,
    place: str = "",
    connections: int = 4,
    **more: str,
) -> Iterator[House]:
    """The house for the length of a block. Limits count in PostgreSQL, or in a Redis of its own. `place` and
    `connections` are about the pooler."""
    with ExitStack() as stack:
        url = stack.enter_context(pooler(folder, place=place, connections=connections))
        counters = stack.enter_context(running_redis(folder)).url if redis else ""
        variables = {**BEHIND_NGINX, "DATABASE_URL": url, "REDIS_URL": counters, "DATABASE_PREPARE": "", **more}
        log = stack.enter_context((folder / "web.log").open("w"))
        one, other = (
            stack.enter_context(web_server(application, workers=WORKERS, log=log, **variables)) for _ in range(2)
        )
        yield House(stack.enter_context(proxy(folder, [one, other])), one, other, variables)


class From(HTTPAdapter):
    """Comes from this address of the machine."""

    def __init__(self, address: str) -> None:
        self.source = (address, 0)
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, source_address=self.source, **options)


class Caller:
    """Somebody with an address of their own, who comes to nginx or straight to a web server. Each request on a
    connection of its own, so that no worker gets all of them."""

    def __init__(self, **headers: str) -> None:
        number = next(_callers)
        self.address = f"127.0.{number // 250 + 1}.{number % 250 + 1}"
        self.headers = {"Connection": "close", **headers}

    def send(self, method: str, url: str, body: Any = None, **headers: str) -> requests.Response:
        with requests.Session() as line:
            line.mount("http://", From(self.address))
            return line.request(method, url, json=body, headers={**self.headers, **headers}, timeout=PATIENCE)

    def post(self, url: str, body: Any) -> requests.Response:
        return self.send("POST", url, body)

    def get(self, url: str, **headers: str) -> requests.Response:
        return self.send("GET", url, **headers)


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
    page = Caller(Authorization=f"Bearer {METRICS}").get(f"{address}/metrics")
    assert page.status_code == 200, page.text
    lines = [line for line in page.text.splitlines() if line.startswith("homeproductions_requests_total{")]
    return round(sum(float(line.rsplit(" ", 1)[1]) for line in lines))
