"""What two web servers have in common: the count of what a caller asked, who may still sign in, and what the office
has changed."""

import time
from collections import Counter
from decimal import Decimal
from functools import partial

import pytest

from tests.factories import bearer, make_tier, make_user
from tests.processes import free_port
from tests.scale.house import Caller, at_once, open_house
from tests.scale.programs import proxy

pytestmark = pytest.mark.django_db(transaction=True)
TRIES, LIMIT = 60, 30
MANY = 12  # of what goes to one server, so that each of its two workers gets some
LONG = 10  # seconds; what is remembered for one is over by then


# --- Limits ---------------------------------------------------------------------------------------------------


def missing(number):
    return f"/api/orders/HP260101-{number:08}"


def looks_from_one_address(house):
    """For orders that do not exist, over both servers in turn."""
    caller = Caller()
    answers = at_once(partial(caller.get, house.servers[n % 2] + missing(n)) for n in range(TRIES))
    return Counter(answer.status_code for answer in answers)


EXACT = {404: LIMIT, 429: TRIES - LIMIT}


def test_limits_are_exact_over_both_servers_in_redis(house):
    assert looks_from_one_address(house) == EXACT


def test_limits_are_exact_over_both_servers_in_postgresql(folder):
    with open_house(folder) as house:
        assert looks_from_one_address(house) == EXACT


def test_counters_of_each_worker_would_let_more_through(folder):
    with open_house(folder, "tests.own_counters_wsgi") as house:
        assert looks_from_one_address(house)[404] > LIMIT


def test_behind_nginx_nobody_chooses_an_address(house):
    caller = Caller()
    claims = [{"X-Forwarded-For": f"203.0.113.{n}, 127.0.0.1", "X-Real-IP": f"203.0.113.{n}"} for n in range(TRIES)]
    answers = [caller.get(house.front + missing(n), **claim) for n, claim in enumerate(claims)]

    assert Counter(answer.status_code for answer in answers) == EXACT


# --- Sign-ins -------------------------------------------------------------------------------------------------


def signed_out_here_welcome_there(house):
    """The statuses that a token gets at both servers, and at the other after its sessions were ended at the first,
    whichever of its workers answers."""
    caller = Caller(**bearer(make_user("admin")))
    before = {caller.get(f"{server}/api/auth/me").status_code for server in house.servers * MANY}
    assert caller.post(f"{house.one}/api/auth/logout", {}).status_code == 200
    return before, {caller.get(f"{house.other}/api/auth/me").status_code for _ in range(MANY)}


def test_a_token_that_is_revoked_at_one_server_is_refused_by_the_other_at_once(house):
    assert signed_out_here_welcome_there(house) == ({200}, {401})


# --- The office -----------------------------------------------------------------------------------------------


def wish(tier):
    names = {"eventId": str(tier.event_id), "tierId": str(tier.pk)}
    return {**names, "buyerName": "Ana", "buyerEmail": "ana@example.com"}


class Office:
    def __init__(self, house):
        self.house, self.caller = house, Caller(**bearer(make_user("admin")))
        self.tier = make_tier(price=Decimal("25.50"))
        self.path = f"/events/{self.tier.event_id}"

    def change(self, name, price):
        """At the first server."""
        body = {"name": name, "tiers": [{"id": str(self.tier.pk), "name": "General", "price": price, "quantity": 100}]}
        assert self.caller.send("PUT", f"{self.house.one}/api/admin{self.path}", body).status_code == 200

    def name_at_the_other(self):
        return Caller().get(f"{self.house.other}/api{self.path}").json()["event"]["name"]

    def price_at_the_other(self):
        """Of an order that is placed there now."""
        answer = Caller().post(f"{self.house.other}/api/orders", wish(self.tier))
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
        before, after = signed_out_here_welcome_there(house)
        assert (before, 200 in after) == ({200}, True)


# --- A server that is away ------------------------------------------------------------------------------------


def test_a_server_that_is_away_is_not_noticed_in_front(house, folder):
    tier = make_tier()

    with proxy(folder, [f"http://127.0.0.1:{free_port()}", house.one]) as front:
        answers = at_once(partial(Caller().post, f"{front}/api/orders", wish(tier)) for _ in range(20))

    assert Counter(answer.status_code for answer in answers) == {201: 20}
