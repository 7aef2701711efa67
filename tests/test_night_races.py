"""A night changes while somebody is buying a ticket for it, on a real PostgreSQL with real threads.

The control leaves the night's version out of the sale's look at the tier. It has to sell, or the test would prove
nothing.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import time as clock
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.utils import timezone

from events.models import TicketTier
from events.services import course, planning, seats
from homeproductions.errors import Refused
from orders.models import Order
from orders.services import checkout
from tests.factories import make_tier, make_user

pytestmark = pytest.mark.django_db(transaction=True)

WAITING = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
PATIENCE = 10  # seconds


def withdraw(tier, actor):
    course.withdraw(tier.event_id, actor=actor)


def call_off(tier, actor):
    course.call_off(tier.event_id, actor=actor)


def move_into_the_past(tier, actor):
    day = timezone.localdate() - timedelta(days=5)
    planning.update_event(tier.event_id, {"event_date": day}, None, actor=actor)


def order(tier):
    checkout.place_order(
        event_id=tier.event_id, tier_id=tier.pk, quantity=1, buyer_name="Ana", buyer_email="ana@example.com"
    )


def reserve(tier):
    seats.reserve_paid(tier.pk, 1, now=timezone.now())


def outcome(sale, tier):
    """`sold`, or the refusal's code."""
    try:
        with transaction.atomic():
            sale(tier)
        return "sold"
    except Refused as refusal:
        return refusal.code
    finally:
        connection.close()


def wait_until_somebody_waits():
    stop = time.monotonic() + PATIENCE
    with connection.cursor() as cursor:
        while time.monotonic() < stop:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(WAITING)
            if cursor.fetchone() is not None:
                return
            time.sleep(0.01)
    raise AssertionError("nobody waited for the tier")


def sell_during(change, sale, tier):
    """What becomes of a sale that waits for the tier while the night changes."""
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            change(tier, make_user("admin"))
            buyer = threads.submit(outcome, sale, tier)
            wait_until_somebody_waits()
        return buyer.result()


CHANGES = [(withdraw, "EVENT_NOT_ACTIVE"), (call_off, "EVENT_NOT_ACTIVE"), (move_into_the_past, "SALE_ENDED")]


@pytest.mark.parametrize("sale", [order, reserve])
@pytest.mark.parametrize(("change", "refusal"), CHANGES)
def test_sale_that_waited_meets_the_night_as_it_is(change, refusal, sale):
    tier = make_tier()

    assert sell_during(change, sale, tier) == refusal
    assert (Order.objects.count(), TicketTier.objects.get().sold) == (0, 0)


@pytest.mark.parametrize("change", [change for change, _ in CHANGES])
def test_without_the_version_a_ticket_is_sold_for_a_night_that_is_none(change, monkeypatch):
    names = [name for name in seats.TIER_AS_SEEN if name != "night_version"]
    monkeypatch.setattr(seats, "TIER_AS_SEEN", names)
    monkeypatch.setattr(seats, "TAKE", seats.taking(names))
    tier = make_tier()

    assert sell_during(change, order, tier) == "sold"


def test_other_changes_of_a_night_let_sales_pass():
    tier = make_tier()

    with ThreadPoolExecutor(1) as threads, transaction.atomic():
        planning.update_event(tier.event_id, {"name": "Another name"}, None, actor=make_user("admin"))
        assert threads.submit(outcome, order, tier).result(PATIENCE) == "sold"


ROUNDS = 40


def test_sales_and_a_night_that_comes_and_goes_do_not_deadlock():
    tiers = [make_tier(quantity=10 * ROUNDS)]
    tiers += [make_tier(tiers[0].event, quantity=10 * ROUNDS) for _ in range(3)]
    night, actor, start = tiers[0].event_id, make_user("admin"), Barrier(5)

    def sell(tier):
        start.wait()
        return {outcome(order, tier) for _ in range(ROUNDS)}

    def come_and_go():
        start.wait()
        for number in range(ROUNDS):
            course.call_off(night, actor=actor)
            wanted = [{"id": tier.pk, "quantity": 1000 + number} for tier in reversed(tiers)]
            planning.update_event(night, {"event_time": clock(number % 24)}, wanted, actor=actor)
            course.bring_back(night, actor=actor)
        connection.close()

    with ThreadPoolExecutor(5) as threads:
        changing = threads.submit(come_and_go)
        answers = set().union(*threads.map(sell, tiers))
        changing.result()

    assert answers <= {"sold", "EVENT_NOT_ACTIVE", "SOLD_OUT"}, answers
    assert sum(tier.sold for tier in TicketTier.objects.all()) == Order.objects.count()
