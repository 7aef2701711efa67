"""Redis is killed during a sale, hangs, and comes back: guests notice nothing, and limits hold all the while."""

import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.processes import wait_until

from . import after
from .evening import Evening
from .redis_server import running_redis

LIMIT = 5
# A window that does not end in the middle of a test.
LIMITS = {"RATE_LIMIT_ENABLED": "1", "RATE_LIMIT_ORDER_MISSES": f"{LIMIT}/9d", "RATE_LIMIT_ORDERS": "100000/9d"}
IN_POSTGRESQL = "SELECT count(*) FROM rate_limit_counters"
FAIR = {404: LIMIT, 429: 2 * LIMIT}


def guesses(address):
    """So many look for orders that are not theirs, several at a time. How often each status was answered."""

    def guess(number):
        return requests.get(f"{address}/api/orders/HP26-NONE{number}", timeout=60).status_code

    with ThreadPoolExecutor(4) as guests:
        return Counter(guests.map(guess, range(3 * LIMIT)))


def test_limits_and_sales_go_on_without_redis(house, post_office, tmp_path):
    with (
        running_redis(tmp_path) as redis,
        house.web(REDIS_URL=redis.url, **LIMITS) as server,
        house.worker(REDIS_URL=redis.url),
    ):
        evening = Evening(house, server.address)
        with evening.goes_on():
            assert guesses(server.address) == FAIR
            assert redis.counters() > 0
            before = house.value(IN_POSTGRESQL)  # other tests have counted there

            redis.kill()
            evening.more(5)
            assert guesses(server.address) == FAIR  # PostgreSQL counts, from zero, and as exactly
            assert house.value(IN_POSTGRESQL) > before

            redis.start()
            wait_until(lambda: redis.counters() > 0, "Redis to be used again")
            redis.process.send_signal(signal.SIGSTOP)  # it takes calls and never answers
            evening.more(5)
            assert set(guesses(server.address)) == {429}
        after.settle(house)

        assert after.wrong(house, evening, post_office) == []
        assert evening.told(503) == 0


def test_a_server_that_needs_redis_is_found(house, tmp_path):
    """The control."""
    with (
        running_redis(tmp_path) as redis,
        house.web("tests.faults.spoilt_wsgi", workers=1, SPOILT="slack", REDIS_URL=redis.url, **LIMITS) as server,
    ):
        evening = Evening(house, server.address)
        evening.guest()
        assert evening.unclean == []
        redis.kill()
        evening.patience = 1
        evening.guest()

    assert any("500" in line for line in evening.unclean)
