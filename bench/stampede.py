"""A rush on the last 500 seats: who is too late gets a quick answer, and the others can still look around.

Each round has three parts: 256 phones that ask again at once until nothing is left, the same for some seconds more
(all refused), and at last the same phones with a pause of a second, as people make. Only the last leaves room for
others by its nature: the rate of the readers is held against their rate alone.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from .house import House, Sides
from .load import Measurement, Request, Requests, load, warmed_up
from .orders import HOT, leave, order_requests

SEATS = 500
PHONES, READERS = 256, 4
PAUSE = 1_000  # milliseconds
LONGEST_P99 = 1_000  # milliseconds, of a refusal
MOST_TRIES = 10  # loads until the tier is sold out


class Rush:
    """The crowd and the readers beside it, and what became of both."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.crowd = Requests(house.folder, order_requests(house.season, HOT, HOT), refused=400)
        self.readers = Requests(house.folder, [Request("GET", "/api/events")])
        self.errors = 0

    def run(self, pause: int = 0) -> tuple[Measurement, Measurement]:
        """Some seconds of it: the crowd's figures and the readers'."""
        server, seconds = self.house.server, self.house.seconds
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(load, server, self.readers, seconds, connections=READERS)
            crowd = load(server, self.crowd, seconds, connections=PHONES, pause=pause)
        self.errors += crowd.errors - crowd.accepted + reading.result().errors
        return crowd, reading.result()


@contextmanager
def stampede(house: House) -> Iterator[Sides]:
    yield Sides(
        lambda: rush(house),
        lambda: warmed_up(house.server, Rush(house).readers, house.seconds, connections=READERS),
    )


def rush(house: House) -> Measurement:
    with house.books.watching("stampede") as watch:
        leave(house.season, seats=SEATS)
        crowd = Rush(house)
        sell_out(crowd)
        refused, squeezed = crowd.run()
        _, readers = crowd.run(PAUSE)
        watch.expect("orders", Measurement(0, SEATS), in_flight=0)
        assert refused.p99 is not None
        note = f"refusals p99 {refused.p99:.0f} ms; readers {squeezed.rate:.0f}/s while nobody pauses"
    return Measurement(
        rate=readers.rate,
        done=readers.done,
        p50=readers.p50,
        p99=readers.p99,
        errors=crowd.errors,
        note=f"{watch.grown('orders')} of {SEATS} sold; {note}",
        is_short=refused.p99 >= LONGEST_P99 or watch.grown("orders") != SEATS,
    )


def sell_out(crowd: Rush) -> None:
    for _ in range(MOST_TRIES):
        crowd.run()
        if not crowd.house.season.rows("SELECT FROM ticket_tiers WHERE id = bench_tier(1) AND sold < quantity"):
            return
