"""100 parallel bad sign-ins from one address, four gunicorn workers: how many passwords are checked?"""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import requests

from audit.models import AuditLog
from tests.processes import free_port, web_server

pytestmark = pytest.mark.django_db(transaction=True)
TRIES, LIMIT, WORKERS = 100, 10, 4
# Weeks, so that no window ends in the middle of a test.
LONG_WINDOW = {"RATE_LIMIT_WINDOW_MS": str(10**9), "RATE_LIMIT_ACCOUNT": "1000/9d"}


def bad_sign_ins(address):
    """All in the same moment, each claiming to come from somewhere else. Returns how often each status was answered."""
    start = Barrier(TRIES)

    def sign_in(number):
        start.wait()
        return requests.post(
            f"{address}/api/auth/login",
            json={"email": f"guest{number}@example.com", "password": "wrong"},
            headers={"X-Forwarded-For": f"203.0.113.{number}", "X-Real-IP": f"203.0.113.{number}"},
            timeout=60,
        ).status_code

    with ThreadPoolExecutor(TRIES) as guests:
        return Counter(guests.map(sign_in, range(TRIES)))


def password_checks():
    return AuditLog.objects.filter(action="LOGIN_FAILED").count()


@pytest.mark.parametrize("redis", ["", "redis://127.0.0.1:{}/0"], ids=["no Redis", "dead Redis"])
def test_exactly_ten_passwords_are_checked(redis):
    with web_server(workers=WORKERS, REDIS_URL=redis.format(free_port()), **LONG_WINDOW) as address:
        answers = bad_sign_ins(address)

    assert answers == {401: LIMIT, 429: TRIES - LIMIT}
    assert password_checks() == LIMIT


def test_counters_of_each_worker_would_let_more_through():
    workers = 2  # enough to show it, and each password costs a quarter of a second

    with web_server("tests.own_counters_wsgi", workers=workers, **LONG_WINDOW) as address:
        answers = bad_sign_ins(address)
        # On a loaded machine the second worker may still be starting during the first rush.
        while answers[401] <= LIMIT and answers.total() < 10 * TRIES:
            time.sleep(1)
            answers += bad_sign_ins(address)

    assert LIMIT < answers[401] == password_checks() <= workers * LIMIT


def test_behind_a_trusted_proxy_each_client_has_its_own_count():
    with web_server(workers=1, TRUSTED_PROXIES="127.0.0.1/32", AUTH_RATE_LIMIT_MAX="1", **LONG_WINDOW) as address:

        def sign_in(chain):
            body = {"email": "guest@example.com", "password": "wrong"}
            headers = {"X-Forwarded-For": chain}
            return requests.post(f"{address}/api/auth/login", json=body, headers=headers, timeout=60).status_code

        answers = [sign_in(chain) for chain in ("1.1.1.1, 203.0.113.1", "2.2.2.2, 203.0.113.1", "203.0.113.2")]

    assert answers == [401, 429, 401]
