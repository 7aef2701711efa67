"""Orders: the ceiling is PostgreSQL doing what checkout asks of it, or for the refused ones Django alone."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

from .ceilings import pgbench
from .house import House, Sides
from .load import CONNECTIONS, Measurement, Request, Requests, post, warmed_up
from .processes import WebServer, web_server
from .reads import answering
from .season import TIERS, Season

HOT = 1
IN_FLIGHT = 2 * CONNECTIONS  # at the end of the warm-up and at the end of the load
# What makes the server believe the addresses of `address_of`, with the limits as they are for everybody.
LIMITS_ON = {"RATE_LIMIT_ENABLED": "1", "TRUSTED_PROXIES": "127.0.0.1"}


@contextmanager
def ordering(house: House, first: int, last: int) -> Iterator[Sides]:
    """Orders of one seat each, of the tiers between two numbers."""
    sent = Requests(house.folder, order_requests(house.season, first, last))

    def ceiling() -> Measurement:
        with house.books.watching("pgbench, orders") as watch:
            done = pgbench(house.season.url, "order.sql", house.seconds, first=first, last=last)
            return watch.expect("orders", done, in_flight=0)

    yield Sides(lambda: placed(house, house.server, sent), ceiling)


@contextmanager
def limited(house: House) -> Iterator[Sides]:
    """With the rate limits on, from so many addresses that nobody reaches one, and the same with the limits off."""
    sent = Requests(house.folder, order_requests(house.season, 1, TIERS))
    environment = {**house.season.environment, **LIMITS_ON}
    with web_server(environment, house.folder / "limited.log") as server:
        yield Sides(lambda: placed(house, server, sent), lambda: placed(house, house.server, sent))


@contextmanager
def sold_out(house: House) -> Iterator[Sides]:
    """All for a tier that has nothing left."""
    with house.books.watching("POST /api/orders, sold out") as watch:
        watch.expect_nothing("orders")
        leave(house.season, seats=0)
        asked = order_requests(house.season, HOT, HOT)
        with answering(house, asked, status=400, code="SOLD_OUT") as sides:
            yield sides


def leave(season: Season, *, seats: int) -> None:
    """So many seats of the hot tier, until the next reset."""
    season.execute("UPDATE ticket_tiers SET quantity = sold + %(seats)s WHERE id = bench_tier(1)", {"seats": seats})


def placed(house: House, server: WebServer, sent: Requests) -> Measurement:
    with house.books.watching("POST /api/orders") as watch:
        return watch.expect("orders", warmed_up(server, sent, house.seconds), in_flight=IN_FLIGHT)


def order_requests(season: Season, first: int, last: int) -> list[Request]:
    keys = season.rows(
        "SELECT id, event_id FROM generate_series(%(first)s::int, %(last)s) n JOIN ticket_tiers ON id = bench_tier(n)",
        {"first": first, "last": last},
    )
    chance = random.Random(1)  # noqa: S311 (the same mixture every time)
    return [order_request(n, **chance.choice(keys)) for n in range(10_000)]


def order_request(n: int, id: object, event_id: object) -> Request:
    content = {
        "eventId": str(event_id),
        "tierId": str(id),
        "buyerName": f"Ana López {n}",
        "buyerEmail": f"ana{n}@example.com",
        "buyerPhone": "+502 5555 1234",
        "buyerCountry": "Guatemala",
        "quantity": 1,
        "paymentMethod": "card",
    }
    return post("/api/orders", content, [("X-Forwarded-For", address_of(n))])


def address_of(n: int) -> str:
    """An address for each phone. Only a server that trusts its proxy looks at it."""
    return f"10.1.{n // 256}.{n % 256}"
