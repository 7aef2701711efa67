"""A sale looks at its tier up to a second before, and decides on the tier as it is."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from events.errors import EventNotActive, SaleEnded, SoldOut, TierNotActive
from events.models import Event, TicketTier
from events.queries import look
from events.services.seats import take
from homeproductions.errors import Invalid
from homeproductions.mail.models import OutboxEmail
from orders.models import JournalEntry, Order
from orders.services import checkout
from tests.factories import make_event, make_tier

pytestmark = pytest.mark.django_db


@pytest.fixture
def seen(settings):
    """A tier that this process has looked at a moment ago."""
    settings.MEMORY_SECONDS = 60
    tier = make_tier(price=10, quantity=5)
    look(tier.event_id, tier.pk)
    return tier


def buy(tier, quantity=1):
    return checkout.place_order(
        event_id=tier.event_id, tier_id=tier.pk, quantity=quantity, buyer_name="Ana", buyer_email="ana@example.com"
    )


def change(tier, **fields):
    TicketTier.objects.filter(pk=tier.pk).update(**fields)


def test_sale_is_one_statement(seen):
    buy(seen)

    with CaptureQueriesContext(connection) as queries:
        order = buy(seen, 2)

    assert len([query for query in queries if "constance" not in query["sql"]]) == 1
    assert Order.objects.get(pk=order.pk).created_at == order.created_at
    assert (JournalEntry.objects.get(order=order).seats, OutboxEmail.objects.get(order=order).attempts) == (2, 0)
    assert TicketTier.objects.get().sold == 3


def test_price_is_the_one_of_the_moment_of_the_sale(seen):
    change(seen, price=25, currency="GTQ")

    order = buy(seen, 2)

    assert (order.unit_price, order.total_price, order.currency) == (25, 50, "GTQ")


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"is_active": False}, TierNotActive),
        ({"max_per_order": 1}, Invalid),
        ({"sale_ends_at": timezone.now() - timedelta(days=1)}, SaleEnded),
        ({"quantity": 1}, SoldOut),
    ],
)
def test_rule_that_has_come_meanwhile_holds(seen, fields, refusal):
    change(seen, **fields)

    with pytest.raises(refusal):
        buy(seen, 2)

    assert (Order.objects.count(), OutboxEmail.objects.count(), TicketTier.objects.get().sold) == (0, 0, 0)


def test_night_that_was_cancelled_meanwhile_sells_nothing(seen):
    Event.objects.update(status="cancelled")

    with pytest.raises(EventNotActive):
        buy(seen)


def test_night_that_was_moved_into_the_past_meanwhile_sells_nothing(seen):
    Event.objects.update(event_date=timezone.localdate() - timedelta(days=5))

    with pytest.raises(SaleEnded):
        buy(seen)


def test_what_is_sold_meanwhile_does_not_hinder(seen):
    change(seen, sold=3)

    buy(seen, 2)

    assert TicketTier.objects.get().sold == 5


def test_seats_of_another_night_are_no_seats(seen):
    other = make_tier(make_event(name="Other"), quantity=0)
    fresh = look(other.event_id, other.pk)

    assert take(fresh, 1) is None


@pytest.mark.django_db(transaction=True)
def test_free_order_that_finds_no_seats_leaves_nothing(settings):
    tier = make_tier(price=0, quantity=1)
    settings.MEMORY_SECONDS = 60
    look(tier.event_id, tier.pk)
    change(tier, sold=1)

    with pytest.raises(SoldOut):
        buy(tier)

    assert (Order.objects.count(), JournalEntry.objects.count()) == (0, 0)
