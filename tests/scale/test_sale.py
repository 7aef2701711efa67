"""The sale race in a house of two web servers: each seat is sold once, whichever server a guest comes to, and whoever
asks again at the other has the same order."""

import uuid
from collections import Counter
from functools import partial

import pytest
from django.db import connection
from django.db.models import F, Sum

from events.models import TicketTier
from orders.models import Order
from tests.factories import make_tier
from tests.lengths import length
from tests.scale.house import Caller, answered, at_once, open_house

GUESTS, SEATS = length(60, 200), length(25, 80)
FAIR = {(201, None): SEATS, (400, "SOLD_OUT"): GUESTS - SEATS}


class Guest:
    """Orders one ticket, and asks for the same again wherever."""

    def __init__(self, tier):
        self.body = {
            "eventId": str(tier.event_id),
            "tierId": str(tier.pk),
            "buyerName": "Ana",
            "buyerEmail": "ana@example.com",
        }
        self.caller = Caller(**{"Idempotency-Key": str(uuid.uuid4())})

    def order(self, address):
        """The status, and the order's number or why there is none."""
        answer = self.caller.post(f"{address}/api/orders", self.body)
        return answer.status_code, answer.json().get("code") or answer.json()["order"]["orderNumber"]


def counted(answers):
    return Counter((status, None if status == 201 else word) for status, word in answers)


@pytest.mark.django_db(transaction=True)
def test_each_seat_is_sold_once_and_a_repeated_order_is_the_same_everywhere(house):
    tier = make_tier(quantity=SEATS)
    guests = [Guest(tier) for _ in range(GUESTS)]
    before = [answered(server) for server in house.servers]

    # A double tap: nginx gives the two to whomever it likes.
    taps = at_once(partial(guest.order, house.front) for guest in guests for _ in range(2))
    work = [answered(server) - earlier for server, earlier in zip(house.servers, before, strict=True)]
    again = [[guest.order(server) for server in house.servers] for guest in guests]

    assert counted(taps[::2]) == FAIR
    for place, later in enumerate(again):
        assert len({*taps[2 * place : 2 * place + 2], *later}) == 1, "one guest, one answer"
    numbers = {word for status, word in taps if status == 201}
    assert set(Order.objects.values_list("order_number", flat=True)) == numbers
    assert Order.objects.aggregate(seats=Sum("quantity"))["seats"] == TicketTier.objects.get().sold == SEATS
    assert min(work) > GUESTS / 4, "both had to do with it"


@pytest.fixture
def unbounded():
    """The database does not watch over the number of seats either."""
    constraint = next(each for each in TicketTier._meta.constraints if each.name == "tier_sold_not_exceed_quantity")
    with connection.schema_editor() as editor:
        editor.remove_constraint(TicketTier, constraint)
    yield
    TicketTier.objects.update(quantity=F("sold"))
    with connection.schema_editor() as editor:
        editor.add_constraint(TicketTier, constraint)


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_the_same_race_oversells(folder, unbounded):
    tier = make_tier(quantity=SEATS)
    guests = [Guest(tier) for _ in range(GUESTS)]

    with open_house(folder, "tests.unlocked_wsgi") as house:
        answers = at_once(partial(guest.order, house.front) for guest in guests)

    assert counted(answers)[201, None] > SEATS
