"""All connections of the web servers and of the worker are ended by the database, again and again during a sale."""

from tests.lengths import length

from . import after
from .evening import Evening

TIMES = length(8, 60)
CUT = """
    SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def test_cut_connections_are_replaced_and_nothing_is_lost(house, post_office):
    with house.web() as server, house.worker() as worker:
        evening = Evening(house, server.address)
        with evening.goes_on():
            evening.more(5)
            for _ in range(TIMES):
                assert house.value(CUT) > 0
                evening.more(3)
            evening.more(10)
        after.leases_end(house)
        after.settle(house)

        # That a mail has left is written over the next connection; if that is cut as well, the mail comes again.
        assert after.wrong(house, evening, post_office, copies=TIMES) == []
        assert (server.process.poll(), worker.poll()) == (None, None)


def test_a_server_that_keeps_dead_connections_never_recovers(house):
    """The control."""
    with house.web("tests.faults.spoilt_wsgi", workers=1, SPOILT="stubborn") as server:
        evening = Evening(house, server.address, patience=2)
        with evening.goes_on():
            evening.more(10)
        assert evening.unclean == []

        house.value(CUT)
        with evening.goes_on():
            evening.more(4)

    assert "no good answer within 2 seconds" in evening.unclean
