"""Figures of the office that the API does not show: by tier, by day, and what waits for a person."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from homeproductions.mail.models import OutboxEmail
from orders import statistics
from orders.models import CheckIn, JournalEntry, Payment, WebhookDelivery
from tests.factories import make_event, make_order, make_tier

pytestmark = pytest.mark.django_db


def earn(order, amount, at, *, currency="USD", kind="sale"):
    """An entry of the journal at that moment, for an order that has none of its own."""
    JournalEntry.objects.create(
        kind=kind,
        order=order,
        event_id=order.event_id,
        tier_id=order.tier_id,
        amount=Decimal(amount),
        currency=currency,
        created_at=at,
    )


def wait_for_a_person(review, minor, *, at=None, **fields):
    number = Payment.objects.count()
    defaults = {"provider": "stripe", "reference": f"pi_{number}", "currency": "USD", "needs_review": review}
    payment = Payment.objects.create(**{**defaults, "amount_minor": minor, **fields})
    if at:
        Payment.objects.filter(pk=payment.pk).update(created_at=at)
    return payment


# --- Nights --------------------------------------------------------------------------------------------------


def test_sold_are_paid_tickets_of_real_orders_by_tier():
    night = make_event()
    general, table = make_tier(night), make_tier(night)
    for status in ("pending", "paid", "cancelled", "refunded"):
        make_order(general, status, quantity=2)
    make_order(table, "paid", quantity=3)
    make_order(table, "paid", is_test=True)
    make_order(status="paid")

    assert statistics.sold([night]) == {general.pk: 2, table.pk: 3}


def test_inside_are_people_of_orders_still_paid_by_night():
    night = make_event()
    tier = make_tier(night)
    for status, fields in (("paid", {}), ("paid", {}), ("refunded", {}), ("paid", {"is_test": True})):
        CheckIn.objects.create(order=make_order(tier, status, quantity=2, **fields), admitted=2)

    assert statistics.inside([night, make_event()]) == {night.pk: 4}


# --- Day by day ----------------------------------------------------------------------------------------------


def test_a_day_begins_at_midnight_of_the_house(settings):
    settings.TIME_ZONE = "America/Guatemala"  # six hours behind UTC all year
    before, after = datetime(2026, 5, 4, 5, 59, 59, tzinfo=UTC), datetime(2026, 5, 4, 6, 0, 0, tzinfo=UTC)
    for status, moment in (("pending", before), ("pending", after), ("cancelled", after)):
        earn(make_order(status=status, created_at=moment), "10.00", moment)

    days = statistics.per_day(date(2026, 5, 4), 2)

    assert [(day.date, day.orders, day.earned) for day in days] == [
        (date(2026, 5, 3), 1, {"USD": Decimal(10)}),
        (date(2026, 5, 4), 2, {"USD": Decimal(20)}),
    ]


def test_days_follow_the_clock_of_the_house_when_it_is_changed(settings):
    settings.TIME_ZONE = "Europe/Madrid"  # 25 October 2026 has 25 hours
    hours = [datetime(2026, 10, 24, 22, tzinfo=UTC) + timedelta(hours=hour) for hour in range(26)]
    for moment in hours:
        make_order(created_at=moment)

    assert [day.orders for day in statistics.per_day(date(2026, 10, 26), 2)] == [25, 1]


def test_all_days_are_there_and_nothing_of_other_days():
    today = timezone.localdate()
    midnight = timezone.make_aware(datetime.combine(today, datetime.min.time()))
    for moment in (midnight - timedelta(days=3), midnight - timedelta(days=2, seconds=1), midnight + timedelta(days=1)):
        earn(make_order(created_at=moment), "10.00", moment)

    days = statistics.per_day(today, 3)

    assert [(day.date, day.orders, day.earned) for day in days] == [
        (today - timedelta(days=back), 0, {}) for back in (2, 1, 0)
    ]


def test_currencies_of_a_day_stand_apart_and_refunds_count_when_they_happen():
    now = timezone.now()
    order = make_order(created_at=now)
    earn(order, "100.00", now)
    earn(order, "-30.00", now, kind="refund")
    earn(order, "-4.00", now, kind="fee")
    earn(order, "250.00", now, currency="GTQ", kind="adjustment")

    [day] = statistics.per_day(timezone.localdate(now), 1)

    assert day.earned == {"USD": Decimal(70), "GTQ": Decimal(250)}


def test_orders_of_a_day_are_all_real_ones_and_those_paid_by_now():
    for status in ("pending", "paid", "cancelled", "refunded"):
        make_order(status=status)
    make_order(status="paid", is_test=True)

    [day] = statistics.per_day(timezone.localdate(), 1)

    assert (day.orders, day.paid) == (4, 1)


# --- What waits for a person ---------------------------------------------------------------------------------


def test_payments_wait_by_reason_with_the_money_taken_by_currency():
    early, late = timezone.now() - timedelta(days=3), timezone.now() - timedelta(days=1)
    wait_for_a_person("unknown_order", 5500, at=late)
    wait_for_a_person("late_payment", 5100, at=late)
    wait_for_a_person("late_payment", 20000, at=early, currency="GTQ")
    wait_for_a_person("late_payment", None, at=late, currency="")
    wait_for_a_person("", 9900)
    wait_for_a_person("late_payment", 7700, outcome="ignored", reviewed_at=late)

    reasons = statistics.payments_waiting()

    assert [(reason.review, reason.payments, reason.taken, reason.since) for reason in reasons] == [
        ("late_payment", 3, {"USD": Decimal(51), "GTQ": Decimal(200)}, early),
        ("unknown_order", 1, {"USD": Decimal(55)}, late),
    ]


def test_refunds_and_disputes_that_wait_are_no_money_taken():
    wait_for_a_person("partial_refund", 1000, kind="refund")
    wait_for_a_person("dispute", 2000, kind="dispute")

    assert {reason.review: (reason.payments, reason.taken) for reason in statistics.payments_waiting()} == {
        "partial_refund": (1, {}),
        "dispute": (1, {}),
    }


def test_notices_that_could_not_be_applied_are_counted():
    for number, status in enumerate(("failed", "failed", "applied", "ignored", "received")):
        WebhookDelivery.objects.create(provider="stripe", event_id=f"evt_{number}", body=b"{}", status=status)

    assert statistics.notices_failed() == 2


def test_holds_that_end_within_minutes_with_their_seats():
    now = timezone.now()
    for minutes, fields in ((-1, {}), (10, {}), (40, {}), (5, {"is_test": True})):
        make_order(quantity=2, hold_expires_at=now + timedelta(minutes=minutes), **fields)
    make_order(hold_expires_at=None)
    make_order(status="cancelled", hold_expires_at=now)

    assert statistics.holds_ending(now) == {"orders": 2, "seats": 4}
    assert statistics.orders_pending() == 4


def test_mails_stuck_are_those_that_should_long_be_on_their_way():
    now = timezone.now()
    long_ago = now - timedelta(minutes=11)
    for fields in (
        {"next_attempt_at": long_ago},
        {"status": "processing", "lease_until": long_ago},
        {"next_attempt_at": now - timedelta(minutes=1)},
        {"next_attempt_at": now + timedelta(hours=6), "attempts": 3, "error_message": "the server was away"},
        {"status": "processing", "next_attempt_at": long_ago, "lease_until": now + timedelta(seconds=90)},
        {"status": "failed", "next_attempt_at": long_ago},
        {"status": "sent", "next_attempt_at": long_ago},
        {"next_attempt_at": long_ago, "order": make_order(status="paid", is_test=True), "email_type": "reminder"},
    ):
        OutboxEmail.objects.create(**{"email_type": "ticket", **fields})

    assert statistics.mails_stuck(now) == 2


def test_mails_failed_are_those_of_the_api_and_when_the_last_was_tried():
    tried = timezone.now() - timedelta(hours=2)
    for fields in (
        {"last_attempt_at": tried},
        {"last_attempt_at": tried - timedelta(days=9)},
        {"last_attempt_at": timezone.now(), "closed_at": timezone.now()},
        {"order": make_order(status="paid", is_test=True)},
    ):
        OutboxEmail.objects.create(**{"email_type": "ticket", "status": "failed", **fields})

    assert statistics.mails_failed() == {"mails": 2, "last": tried}
    assert statistics.mails_by_status()["failed"] == 2
