"""200 guests, 10 seats, several gunicorn workers on a real PostgreSQL."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import requests
from django.db.models import Sum

from events.models import TicketTier
from orders.models import Order
from tests.factories import make_tier
from tests.processes import web_server

GUESTS, SEATS = 200, 10
FAIR = {(201, None): SEATS, (400, "SOLD_OUT"): GUESTS - SEATS}


def stampede(address, tier):
    """Everybody orders one ticket in the same moment. Returns how often each answer was given."""
    start = Barrier(GUESTS)
    body = {"eventId": str(tier.event_id), "tierId": str(tier.pk), "buyerName": "A", "buyerEmail": "a@example.com"}

    def order(_):
        start.wait()
        response = requests.post(f"{address}/api/orders", json=body, timeout=60)
        return response.status_code, response.json().get("code")

    with ThreadPoolExecutor(GUESTS) as guests:
        return Counter(guests.map(order, range(GUESTS)))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("application", "is_fair"), [("homeproductions.wsgi", True), ("tests.unlocked_wsgi", False)])
def test_ten_seats_are_sold_ten_times(application, is_fair):
    tier = make_tier(quantity=SEATS)

    with web_server(application, RATE_LIMIT_ENABLED="0") as address:
        answers = stampede(address, tier)

    tier = TicketTier.objects.get()
    assert (answers == FAIR) is is_fair, answers
    # Even without the lock the constraint keeps the number in bounds; what it cannot keep is a clear answer.
    assert Order.objects.aggregate(seats=Sum("quantity"))["seats"] == tier.sold == SEATS
