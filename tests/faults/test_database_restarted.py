"""PostgreSQL is restarted in the middle of a sale: stopped cleanly, stopped at once, and killed with all it does."""

import signal

import pytest
import requests

from tests.lengths import length
from tests.processes import wait_until

from . import after
from .cluster import move, own_cluster, processes, stop
from .evening import Evening

ENDS = [None, signal.SIGQUIT, signal.SIGKILL] * length(1, 8)
WRITERS = ("walwriter", "background writer", "checkpointer")


@pytest.fixture(scope="module")
def cluster():
    with own_cluster() as cluster:
        yield cluster


def health(server, path):
    return requests.get(server.address + path, timeout=60).status_code


def test_a_sale_survives_every_kind_of_restart(house, post_office, cluster):
    move(house, cluster, "restarted")
    with house.web() as server, house.worker() as worker:
        evening = Evening(house, server.address)
        with evening.goes_on():
            for how in ENDS:
                evening.more(10)
                stop(cluster, how)
                told = evening.told(503)
                wait_until(lambda told=told: evening.told(503) > told + 5, "guests to hear of it")
                assert [health(server, path) for path in ("/health", "/health/live")] == [503, 200]
                cluster.start()
            evening.more(10)
        after.leases_end(house)
        after.settle(house)

        # A mail that left while nobody could write that down comes again.
        assert after.wrong(house, evening, post_office, copies=len(ENDS)) == []
        assert (server.process.poll(), worker.poll()) == (None, None)


def test_a_server_that_does_not_know_this_error_is_found(house, cluster):
    """A control: 500 instead of "come again"."""
    move(house, cluster, "blunt")
    with house.web("tests.faults.spoilt_wsgi", workers=1, SPOILT="blunt") as server:
        stop(cluster, None)
        evening = Evening(house, server.address, patience=1)
        evening.guest()
        cluster.start()

    assert any("500" in line for line in evening.unclean)


def test_a_database_that_promises_too_early_is_found(house, cluster):
    """The other control: it acknowledges what is not on disk yet, and is killed."""
    move(house, cluster, "hasty")
    house.execute("ALTER DATABASE hasty SET synchronous_commit = off")
    with house.web(workers=1) as server:
        for process in processes(cluster):
            if any(name in " ".join(process.cmdline()) for name in WRITERS):
                process.suspend()
        evening = Evening(house, server.address)
        for _ in range(4):
            evening.guest()
        stop(cluster, signal.SIGKILL)
        cluster.start()

    assert len(evening.numbers) == 4
    assert after.lost_or_doubled_orders(house, evening)
    assert after.unbooked_payments(house, evening)
