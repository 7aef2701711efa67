"""The profiles: what is asked of the server, and what its rate is held against."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from .ceilings import bare_server, pgbench
from .check import Books
from .load import CONNECTIONS, Measurement, Request, Requests, post, warmed_up
from .processes import WebServer
from .season import ADMIN, TIERS, Season

HOT = 1
IN_FLIGHT = 2 * CONNECTIONS  # at the end of the warm-up and at the end of the load


@dataclass(frozen=True)
class House:
    """Everything that runs while profiles are measured."""

    season: Season
    server: WebServer
    books: Books
    folder: Path
    seconds: int

    def bearer(self, email: str) -> tuple[str, str]:
        """A fresh access token: it is good for 15 minutes."""
        body = {"email": email, "password": self.season.environment["DEFAULT_ADMIN_PASSWORD"]}
        found = requests.post(f"{self.server.url}/api/auth/login", json=body, timeout=30)
        found.raise_for_status()
        return "Authorization", f"Bearer {found.json()['accessToken']}"


@dataclass(frozen=True)
class Sides:
    """What is measured in turn."""

    real: Callable[[], Measurement]
    ceiling: Callable[[], Measurement]


@dataclass(frozen=True)
class Profile:
    """A row of the table. `reach` is what its ratio to the ceiling must come to, None where nothing is asked."""

    name: str
    title: str
    against: str
    reach: float | None
    open: Callable[[House], AbstractContextManager[Sides]]


# --- Reads ------------------------------------------------------------------------------------------------------


@contextmanager
def answering(house: House, asked: list[Request], *, status: int = 200) -> Iterator[Sides]:
    """The real server and the bare one under the same requests, all of which change nothing."""
    sent = Requests(house.folder, asked, refused=status if status >= 400 else 0)
    with bare_server(house.server, asked, house.season.environment, house.folder, status=status) as bare:
        yield Sides(
            lambda: warmed_up(house.server.url, sent, house.seconds),
            lambda: warmed_up(bare.url, sent, house.seconds),
        )


def events(house: House) -> AbstractContextManager[Sides]:
    return answering(house, [Request("GET", "/api/events")])


def event(house: House) -> AbstractContextManager[Sides]:
    ids = house.season.rows("SELECT id FROM events")
    return answering(house, [Request("GET", f"/api/events/{row['id']}") for row in ids])


def order(house: House) -> AbstractContextManager[Sides]:
    numbers = house.season.rows("SELECT order_number FROM orders ORDER BY md5(order_number) LIMIT 500")
    return answering(house, [Request("GET", f"/api/orders/{row['order_number']}") for row in numbers])


def admin_orders(house: House) -> AbstractContextManager[Sides]:
    return answering(house, [Request("GET", "/api/admin/orders?limit=50", headers=(house.bearer(ADMIN),))])


# --- Orders -----------------------------------------------------------------------------------------------------


@contextmanager
def ordering(house: House, first: int, last: int) -> Iterator[Sides]:
    """Orders of one seat each, of tiers between two numbers."""
    sent = Requests(house.folder, order_requests(house.season, first, last))

    def real() -> Measurement:
        with house.books.watching("POST /api/orders") as watch:
            return watch.expect("orders", warmed_up(house.server.url, sent, house.seconds), in_flight=IN_FLIGHT)

    def ceiling() -> Measurement:
        with house.books.watching("pgbench, orders") as watch:
            done = pgbench(house.season.url, "order.sql", house.seconds, first=first, last=last)
            return watch.expect("orders", done, in_flight=0)

    yield Sides(real, ceiling)


def order_requests(season: Season, first: int, last: int) -> list[Request]:
    keys = season.rows(
        "SELECT id, event_id FROM generate_series(%(first)s::int, %(last)s) n JOIN ticket_tiers ON id = bench_tier(n)",
        {"first": first, "last": last},
    )
    chance = random.Random(1)  # noqa: S311 (the same mixture every time)
    return [order_request(n, **chance.choice(keys)) for n in range(2_000)]


def order_request(n: int, id: object, event_id: object) -> Request:
    return post(
        "/api/orders",
        {
            "eventId": str(event_id),
            "tierId": str(id),
            "buyerName": f"Ana López {n}",
            "buyerEmail": f"ana{n}@example.com",
            "buyerPhone": "+502 5555 1234",
            "buyerCountry": "Guatemala",
            "quantity": 1,
            "paymentMethod": "card",
        },
    )


PROFILES = (
    Profile("events", "GET /api/events", "bare", 0.6, events),
    Profile("event", "GET /api/events/:id", "bare", 0.6, event),
    Profile("order", "GET /api/orders/:number", "bare", 0.5, order),
    Profile("orders-hot", "POST /api/orders, one hot tier", "pgbench", 0.65, lambda h: ordering(h, HOT, HOT)),
    Profile("orders-spread", "POST /api/orders, 80 tiers", "pgbench", 0.25, lambda h: ordering(h, 1, TIERS)),
    Profile("admin-orders", "GET /api/admin/orders, page of 50", "bare", 0.07, admin_orders),
)
