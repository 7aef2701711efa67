"""The door: tickets that are let in, each once, and tickets that are inside already."""

from collections.abc import Iterator
from contextlib import contextmanager

from .ceilings import pgbench
from .house import House, Sides, bearer
from .load import Measurement, Request, Requests, post, warmed_up
from .orders import IN_FLIGHT
from .reads import answering
from .season import DOOR


@contextmanager
def letting_in(house: House) -> Iterator[Sides]:
    def real() -> Measurement:
        with house.books.watching("POST /api/checkin") as watch:
            sent = Requests(house.folder, scans(house, house.season.at_the_door), is_once=True)
            return watch.expect("checkins", warmed_up(house.server, sent, house.seconds), in_flight=IN_FLIGHT)

    def ceiling() -> Measurement:
        with house.books.watching("pgbench, check-in") as watch:
            first = house.season.at_the_door.start
            done = pgbench(house.season.url, "checkin.sql", house.seconds, first=first, turn=0)
            return watch.expect("checkins", done, in_flight=0)

    yield Sides(real, ceiling)


@contextmanager
def inside_already(house: House) -> Iterator[Sides]:
    with house.books.watching("POST /api/checkin, already in") as watch:
        watch.expect_nothing("checkins")
        asked = scans(house, house.season.inside[:2_000])
        with answering(house, asked, status=400, code="ALREADY_CHECKED_IN") as sides:
            yield sides


def scans(house: House, numbers: range) -> list[Request]:
    """What a phone at the door sends for the tickets of these orders."""
    codes = house.season.rows(
        "SELECT bench_code(id) AS code FROM orders WHERE order_number BETWEEN bench_number(%(first)s) "
        "AND bench_number(%(last)s) ORDER BY order_number",
        {"first": numbers.start, "last": numbers.stop - 1},
    )
    token = bearer(house.season, house.server, DOOR)
    return [post("/api/checkin", {"qr_code": row["code"]}, [token]) for row in codes]
