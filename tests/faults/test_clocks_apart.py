"""Two hosts, one five seconds ahead and one five seconds behind: each has a web server and a worker."""

import json
import secrets
import time
from datetime import timedelta

import pytest
import requests
from django.utils import timezone

from accounts.models import User
from tests.signing import PATH as WEBHOOK
from tests.signing import signed_headers

from . import after
from .evening import ORDERS, Evening
from .house import LOOP

SKEW, FAR = 5, 30  # seconds; the doctor complains from 5 on
NAME, PASSWORD = "door@example.com", "let me in, please"
DUE_SOON = """
    UPDATE orders SET hold_expires_at = now() + (row.place - 8) * interval '1 s'
    FROM (SELECT id, row_number() OVER () AS place FROM orders WHERE status = 'pending') AS row
    WHERE orders.id = row.id
"""
UNPAID = """
    SELECT order_number AS "orderNumber", buyer_email AS "buyerEmail", currency, total_price::float8 AS "totalPrice"
    FROM orders WHERE status = 'pending' ORDER BY random()
"""
UNBOOKED = """
    SELECT order_number FROM orders
    WHERE status <> 'paid' AND id IN (SELECT order_id FROM payments WHERE needs_review = '')
"""

pytestmark = pytest.mark.real_bcrypt


def skewed(seconds, *command):
    return ("-m", "tests.faults.skewed", str(seconds), *command)


@pytest.fixture
def door(transactional_db):
    """Somebody with a password."""
    return User.objects.create_user(NAME, PASSWORD, name="Door", role="staff")


def test_nothing_depends_on_whose_clock_is_right(house, post_office, door):
    with (
        house.web(workers=1, entrance=skewed(SKEW, "gunicorn")) as ahead,
        house.web(workers=1, entrance=skewed(-SKEW, "gunicorn")) as behind,
        house.worker(command=skewed(SKEW, *LOOP)),
        house.worker(command=skewed(-SKEW, *LOOP)),
    ):
        hosts = ahead.address, behind.address
        assert tokens(*hosts) == tokens(*reversed(hosts)) == []
        assert notices(house, *hosts) == []
        assert keys(house, *hosts) == []

        evening = Evening(house, *hosts)
        with evening.goes_on():
            evening.more(30)
        after.settle(house)
        assert after.wrong(house, evening, post_office) == []

        pay_while_holds_end(house, evening)
    assert house.rows(UNBOOKED) == []
    assert after.books(house, "books") == []


def test_clocks_that_are_far_apart_are_found(house, door):
    """The control."""
    with (
        house.web(workers=1, entrance=skewed(FAR, "gunicorn")) as ahead,
        house.web(workers=1, entrance=skewed(-FAR, "gunicorn")) as behind,
    ):
        hosts = ahead.address, behind.address
        assert "a token" in tokens(*hosts)
        assert notices(house, *hosts)


# --- What is tried ---------------------------------------------------------------------------------------------


def post(address, path, body=None, **options):
    return requests.post(address + path, json=body, timeout=60, **options)


def tokens(here, there):
    """What does not work there of what was signed here."""
    found = []
    session = post(here, "/api/auth/login", {"email": NAME, "password": PASSWORD}).json()
    me = requests.get(f"{there}/api/auth/me", headers=bearer(session), timeout=60)
    if me.status_code != 200:
        found.append("a token")
    next_one = post(there, "/api/auth/refresh", {"refreshToken": session["refreshToken"]})
    if next_one.status_code != 200:
        return [*found, "a refresh"]
    # A second tab is late, and comes to the other host. That is no theft.
    if post(here, "/api/auth/refresh", {"refreshToken": session["refreshToken"]}).status_code != 401:
        found.append("a token is used twice")
    if post(here, "/api/auth/refresh", {"refreshToken": next_one.json()["refreshToken"]}).status_code != 200:
        found.append("a session after its second tab")
    return found


def bearer(session):
    return {"Authorization": f"Bearer {session['accessToken']}"}


def notices(house, *hosts):
    """Which notices of payments are judged wrongly, by their age in seconds."""
    expected = {-306: 401, -294: 200, 0: 200, 294: 200, 306: 401}
    found = []
    for age, status in expected.items():
        body = json.dumps({"event": "payment.pending", "data": {"id": f"pay_{secrets.token_hex(8)}"}}).encode()
        headers = signed_headers(house.secret, body, at=timezone.now() - timedelta(seconds=age))
        answers = [requests.post(host + WEBHOOK, data=body, headers=headers, timeout=60).status_code for host in hosts]
        found += [f"{age} seconds: {answers}"] if set(answers) != {status} else []
    return found


def keys(house, *hosts):
    """One attempt that comes to both hosts is one order."""
    wish = {"eventId": house.event, "tierId": house.tier, "buyerName": "Ana", "buyerEmail": "ana@example.org"}
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    answers = [post(host, ORDERS, wish, headers=headers) for host in hosts]
    numbers = {answer.json()["order"]["orderNumber"] for answer in answers}
    return [] if len(numbers) == 1 else [f"{numbers} for one key"]


def pay_while_holds_end(house, evening):
    """The holds of all unpaid orders end within seconds, by some clocks now and by others later; half of their guests
    pay meanwhile."""
    unpaid = house.rows(UNPAID)
    house.execute(DUE_SOON)
    with (
        house.worker(command=skewed(SKEW, "manage.py", "expire_orders")) as early,
        house.worker(command=skewed(-SKEW, "manage.py", "expire_orders")) as late,
    ):
        for order in unpaid[::2]:
            time.sleep(0.1)  # the commands take a moment to start
            evening.pay(order)
        assert (early.wait(), late.wait()) == (0, 0)
    assert evening.unclean == []
    statuses = {row["status"] for row in house.rows("SELECT status FROM orders")}
    assert statuses >= {"paid", "cancelled"}
