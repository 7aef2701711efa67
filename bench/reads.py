"""Requests that change nothing, and refusals: the ceiling is Django giving the same answers from memory."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from .ceilings import bare_server
from .house import House, Sides, bearer
from .load import Request, Requests, warmed_up
from .processes import web_server
from .season import ADMIN, filled

PAGE = "/api/admin/orders?limit=50"
FEW = 1_000


@contextmanager
def answering(house: House, asked: list[Request], *, status: int = 200, code: str = "") -> Iterator[Sides]:
    """The real server and the bare one under the same requests. They are all answered with this status, and with
    this code where they are refused."""
    sent = Requests(house.folder, asked, refused=status if status >= 400 else 0)
    with bare_server(house.server, asked, house.season.environment, house.folder, status=status, code=code) as bare:
        yield Sides(
            lambda: warmed_up(house.server, sent, house.seconds),
            lambda: warmed_up(bare, sent, house.seconds),
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
    return answering(house, [Request("GET", PAGE, headers=(bearer(house.season, house.server, ADMIN),))])


@contextmanager
def admin_orders_of_few(house: House) -> Iterator[Sides]:
    """The same page of the full season and, as its ceiling, of a small one in a database beside it."""
    with (
        filled(house.place, FEW, {}) as season,
        web_server(season.environment, house.folder / "few.log") as server,
    ):
        many = Requests(house.folder, [Request("GET", PAGE, headers=(bearer(house.season, house.server, ADMIN),))])
        few = Requests(house.folder, [Request("GET", PAGE, headers=(bearer(season, server, ADMIN),))])
        yield Sides(
            lambda: warmed_up(house.server, many, house.seconds),
            lambda: warmed_up(server, few, house.seconds),
        )
