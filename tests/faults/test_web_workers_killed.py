"""Web workers are killed while guests order. gunicorn replaces them, and guests ask again with the same key."""

import random

from tests.lengths import length
from tests.processes import wait_until

from . import after
from .evening import Evening

QUEUES, WORKERS = 6, 2
KILLS = length(8, 60)
SLOW = "tests.faults.slow_answers_wsgi"


def kill_one_of(server):
    """SIGKILL for one of the workers. gunicorn replaces it at once."""
    wait_until(lambda: len(server.workers()) == WORKERS, "all web workers")
    random.choice(server.workers()).kill()


def sell_and_kill(house, *servers, **habits):
    """A sale during which so many workers are killed."""
    evening = Evening(house, *[server.address for server in servers], **habits)
    with evening.goes_on(QUEUES):
        for _ in range(KILLS):
            evening.more(3)
            kill_one_of(random.choice(servers))
        evening.more(2 * QUEUES)
    return evening


def test_killed_web_workers_lose_no_order_and_make_none_twice(house, post_office):
    """At two servers: as in production, and one where an order is more often there than its answer."""
    with house.web(workers=WORKERS) as fast, house.web(SLOW, workers=WORKERS) as slow, house.worker():
        evening = sell_and_kill(house, fast, slow)
        after.settle(house)

        # Each killed worker takes the lines of all guests who were with it along.
        assert after.wrong(house, evening, post_office, lines_cut=KILLS * QUEUES) == []
        assert [server.process.poll() for server in (fast, slow)] == [None, None]
    assert evening.broken
    assert len(evening.numbers) >= 3 * KILLS


def test_without_a_key_the_same_guests_have_two_orders(house):
    """The control: their answer was on its way when the worker died."""
    with house.web(SLOW, workers=WORKERS) as server:
        evening = sell_and_kill(house, server, repeats_its_key=False)

    assert any("was told" in line for line in after.lost_or_doubled_orders(house, evening))
