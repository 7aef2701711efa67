"""The door race in a house of two web servers: phones hold the same ticket up at both in the same moment."""

from collections import Counter
from functools import partial

import pytest
from django.db import connection

from orders.models import CheckIn, RefusedScan
from tests.factories import bearer, make_order, make_tier, make_user
from tests.lengths import length
from tests.scale.house import Caller, at_once

TICKETS, PHONES = length(8, 40), 6
pytestmark = pytest.mark.django_db(transaction=True)


class Phone:
    """Signed in as somebody of the staff."""

    def __init__(self):
        self.caller = Caller(**bearer(make_user("staff")))

    def scan(self, address, order, nonce=None):
        body = {"orderNumber": order.order_number, "nonce": nonce}
        answer = self.caller.post(f"{address}/api/checkin", body)
        return answer.status_code, answer.json()


def sold():
    tier = make_tier()
    return [make_order(tier, "paid") for _ in range(TICKETS)]


@pytest.fixture
def tickets():
    return sold()


def race(house, tickets):
    """Everybody scans every ticket, half of them here and half there. How often each was let in."""
    phones = [Phone() for _ in range(PHONES)]
    welcomes = []
    for order in tickets:
        answers = at_once(partial(phone.scan, house.servers[n % 2], order) for n, phone in enumerate(phones))
        words = Counter((status, body.get("code")) for status, body in answers)
        assert set(words) <= {(200, None), (400, "ALREADY_CHECKED_IN")}
        welcomes.append(words[200, None])
    return welcomes


def test_a_ticket_that_is_scanned_at_both_servers_at_once_lets_in_once(house, tickets):
    assert race(house, tickets) == [1] * TICKETS

    assert (CheckIn.objects.count(), RefusedScan.objects.count()) == (TICKETS, TICKETS * (PHONES - 1))


def test_a_scan_that_is_sent_again_gets_its_first_answer_from_the_other_server(house, tickets):
    phone, second = Phone(), Phone()
    for number, order in enumerate(tickets):
        scan = partial(phone.scan, order=order, nonce=f"scan {number}")
        here, there = at_once(partial(scan, server) for server in house.servers)  # the first answer got lost
        assert here[0] == 200
        assert here == there == scan(house.front)
        refused = second.scan(house.one, order, nonce="a late one")
        assert refused[0] == 400
        assert second.scan(house.other, order, nonce="a late one") == refused

    assert (CheckIn.objects.count(), RefusedScan.objects.count()) == (TICKETS, TICKETS)


@pytest.fixture
def many_check_ins():
    """The database does not watch over check-ins."""
    constraint = next(each for each in CheckIn._meta.constraints if each.name == "unique_order_checkin")
    with connection.schema_editor() as editor:
        editor.remove_constraint(CheckIn, constraint)
    yield
    connection.cursor().execute("TRUNCATE checkins")
    with connection.schema_editor() as editor:
        editor.add_constraint(CheckIn, constraint)


def test_without_the_constraint_somebody_comes_in_twice(house, many_check_ins):
    assert any(max(race(house, sold())) > 1 for _ in range(5))
