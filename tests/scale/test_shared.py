"""What two web servers have in common: the count of what a caller asked, who may still sign in, and what the office
has changed."""

import time
from collections import Counter
from decimal import Decimal
from functools import partial

import pytest
import requests
from django.core.cache import caches
from requests.adapters import HTTPAdapter

from tests.factories import bearer, make_tier, make_user
from tests.processes import free_port
from tests.scale.house import PATIENCE, at_once, from_a_guest, get, open_house, post
from tests.scale.programs import proxy

pytestmark = pytest.mark.django_db(transaction=True)
TRIES, LIMIT = 60, 30
MANY = 12  # of what goes to one server, so that each of its two workers gets some
LONG = 10  # seconds; what is remembered for one is over by then


@pytest.fixture(autouse=True)
def counters(transactional_db):
    """Those in PostgreSQL; the table has no model, so the flush between tests does not empty it."""
    caches["rate-limits"].clear()
    yield
    caches["rate-limits"].clear()


# --- Limits ---------------------------------------------------------------------------------------------------


def look_for(address, headers, number=0):
    return get(address, f"/api/orders/HP260101-{number:08}", headers).status_code


def looks_from_one_address(house):
    """For orders that do not exist, over both servers in turn."""
    headers = from_a_guest()
    return Counter(at_once(partial(look_for, house.servers[n % 2], headers, n) for n in range(TRIES)))


EXACT = {404: LIMIT, 429: TRIES - LIMIT}


def test_limits_are_exact_over_both_servers_in_redis(house):
    assert looks_from_one_address(house) == EXACT


def test_limits_are_exact_over_both_servers_in_postgresql(folder):
    with open_house(folder) as house:
        assert looks_from_one_address(house) == EXACT


def test_counters_of_each_worker_would_let_more_through(folder):
    with open_house(folder, "tests.own_counters_wsgi") as house:
        assert looks_from_one_address(house)[404] > LIMIT


class From(HTTPAdapter):
    """Comes from this address of the machine, which is no proxy that anybody trusts."""

    def init_poolmanager(self, *arguments, **options):
        super().init_poolmanager(*arguments, source_address=("127.0.0.2", 0), **options)


def test_behind_nginx_nobody_chooses_an_address(house):
    with requests.Session() as stranger:
        stranger.mount("http://", From())
        answers = Counter(
            stranger.get(
                f"{house.front}/api/orders/HP260101-{n:08}", headers=from_a_guest(), timeout=PATIENCE
            ).status_code
            for n in range(LIMIT + 5)
        )

    assert answers == {404: LIMIT, 429: 5}


# --- Sign-ins -------------------------------------------------------------------------------------------------


def signed_out_here_welcome_there(house):
    """The statuses that a token gets at both servers, and at the other after its sessions were ended at the first."""
    headers = {**bearer(make_user("admin")), **from_a_guest()}
    before = [get(server, "/api/auth/me", headers).status_code for server in house.servers * MANY]
    assert post(house.one, "/api/auth/logout", {}, headers).status_code == 200
    return before, get(house.other, "/api/auth/me", headers).status_code


def test_a_token_that_is_revoked_at_one_server_is_refused_by_the_other_at_once(house):
    assert signed_out_here_welcome_there(house) == ([200] * 2 * MANY, 401)


# --- The office -----------------------------------------------------------------------------------------------


class Office:
    def __init__(self, house):
        self.house, self.headers = house, {**bearer(make_user("admin")), **from_a_guest()}
        self.tier = make_tier(price=Decimal("25.50"))
        self.path = f"/events/{self.tier.event_id}"

    def change(self, name, price):
        """At the first server."""
        body = {"name": name, "tiers": [{"id": str(self.tier.pk), "name": "General", "price": price, "quantity": 100}]}
        address = f"{self.house.one}/api/admin{self.path}"
        assert requests.put(address, json=body, headers=self.headers, timeout=PATIENCE).status_code == 200

    def name_at_the_other(self):
        return get(self.house.other, f"/api{self.path}", from_a_guest()).json()["event"]["name"]

    def price_at_the_other(self):
        """Of an order that is placed there now."""
        wish = {"eventId": str(self.tier.event_id), "tierId": str(self.tier.pk)}
        buyer = {"buyerName": "Ana", "buyerEmail": "ana@example.com"}
        answer = post(self.house.other, "/api/orders", {**wish, **buyer}, from_a_guest())
        return answer.json()["order"]["unitPrice"]


def becomes(expected, ask, patience=LONG):
    deadline = time.monotonic() + patience
    while (seen := ask()) != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    return seen == expected


def test_what_the_office_changes_at_one_server_counts_at_the_other(house):
    office = Office(house)
    assert [office.price_at_the_other() for _ in range(MANY)] == [25.5] * MANY

    office.change("Luna Nueva", 30)

    assert office.price_at_the_other() == 30, "nobody buys at a price that is over"
    assert becomes("Luna Nueva", office.name_at_the_other)


def test_servers_that_remember_for_longer_are_found(folder):
    with open_house(folder, "tests.scale.stale_wsgi") as house:
        office = Office(house)
        for _ in range(MANY):
            office.name_at_the_other()
        office.change("Luna Nueva", 30)

        assert not becomes("Luna Nueva", office.name_at_the_other, patience=3)
        assert signed_out_here_welcome_there(house) == ([200] * 2 * MANY, 200)


# --- A server that is away ------------------------------------------------------------------------------------


def test_a_server_that_is_away_is_not_noticed_in_front(house, folder):
    tier = make_tier()
    wish = {"eventId": str(tier.event_id), "tierId": str(tier.pk), "buyerName": "Ana", "buyerEmail": "a@example.com"}

    with proxy(folder, [f"http://127.0.0.1:{free_port()}", house.one]) as front:
        answers = at_once(partial(post, front, "/api/orders", wish, from_a_guest()) for _ in range(20))

    assert Counter(answer.status_code for answer in answers) == {201: 20}
