"""Guests are forgotten by themselves some days after their night, where the house has chosen so."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import AuditLog
from homeproductions import chores
from homeproductions.mail.models import OutboxEmail
from orders import bookkeeping
from orders.models import Order, Payment, WebhookDelivery
from orders.services import retention
from orders.services.forgetting import GUEST
from tests import provider_bodies as bodies
from tests.factories import make_event, make_order, make_tier

DAYS = 30
SOON = timedelta(seconds=10)


@pytest.fixture(autouse=True)
def thirty_days(settings, db):
    settings.FORGET_GUESTS_AFTER_DAYS = DAYS


def tier_of(days_ago, **event):
    return make_tier(event=make_event(event_date=timezone.localdate() - timedelta(days=days_ago), **event))


def paid(tier, **buyer):
    order = make_order(tier=tier, ip_address="198.51.100.7", **buyer)
    bodies.receive(bodies.recurrente(order))
    return order


def age_notices():
    WebhookDelivery.objects.update(received_at=timezone.now() - timedelta(days=DAYS + 1))


def name_of(order):
    return Order.objects.get(pk=order.pk).buyer_name


def test_guests_are_forgotten_the_day_after_the_last_day(settings):
    over, not_yet = paid(tier_of(DAYS + 1)), paid(tier_of(DAYS))

    assert retention.forget_old(within=SOON) == 1

    assert (name_of(over), name_of(not_yet)) == (GUEST, "Lucía Pérez")
    order = Order.objects.get(pk=over.pk)
    assert (order.buyer_email, order.ip_address, order.total_price) == ("", None, over.total_price)
    assert Payment.objects.get(order=over).payer_email == ""
    assert b"lucia" not in bytes(WebhookDelivery.objects.get(payments__order=over).body)
    assert b"lucia" in bytes(WebhookDelivery.objects.get(payments__order=not_yet).body)
    assert set(OutboxEmail.objects.filter(order=over).values_list("recipient_email", "subject")) == {("", "")}
    assert bookkeeping.differences() == []


def test_it_is_off_by_default(settings):
    settings.FORGET_GUESTS_AFTER_DAYS = 0
    order = paid(tier_of(3650))

    assert retention.forget_old(within=SOON) == 0
    assert name_of(order) == "Lucía Pérez"


def test_the_worker_does_it_as_one_of_its_chores():
    order = paid(tier_of(DAYS + 1))

    chores.CHORES["forget guests of old nights"].function()

    assert name_of(order) == GUEST


def test_each_order_and_the_night_are_in_the_audit_once():
    order = paid(tier_of(DAYS + 1))

    for _ in range(2):
        retention.forget_old(within=SOON)

    actions = [("FORGET", order.pk), ("FORGET_NIGHT", order.event_id)]
    rows = AuditLog.objects.filter(action__startswith="FORGET").order_by("action")
    assert list(rows.values_list("action", "entity_id")) == actions


def test_whoever_must_still_be_reached_waits_until_that_is_over():
    tier, off = tier_of(DAYS + 1), tier_of(DAYS + 1, status="cancelled")
    late = make_order(tier=tier, status="cancelled")
    bodies.receive(bodies.recurrente(late))
    pending, kept = make_order(tier=tier), make_order(tier=off, status="paid")

    assert retention.forget_old(within=SOON) == 0

    assert {name_of(order) for order in (late, pending, kept)} == {"Lucía Pérez"}
    assert not AuditLog.objects.filter(action="FORGET_NIGHT").exists()
    Payment.objects.update(outcome="refunded", reviewed_at=timezone.now())
    assert retention.forget_old(within=SOON) == 1
    assert name_of(late) == GUEST


def test_small_batches_do_all_of_a_night(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    tier = tier_of(DAYS + 1)
    for _ in range(5):
        make_order(tier=tier, status="cancelled")

    assert retention.forget_old(within=SOON) == 5


def test_it_stops_in_time_and_goes_on_later(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 1)
    tier = tier_of(DAYS + 1)
    for _ in range(3):
        make_order(tier=tier, status="cancelled")
    moments = iter([0, 1, 20, 20, 20])
    with monkeypatch.context() as patch:
        patch.setattr("orders.services.retention.time.monotonic", lambda: next(moments))
        assert retention.forget_old(within=SOON) == 1

    assert retention.forget_old(within=SOON) == 2


def test_a_batch_that_fails_stops_no_other(monkeypatch, caplog):
    first, second = paid(tier_of(DAYS + 2)), paid(tier_of(DAYS + 1))
    forget = retention.forgetting.forget

    def fail(holdings, traces):
        if first.pk in holdings.orders:
            raise RuntimeError("lucia@example.com")
        forget(holdings, traces)

    monkeypatch.setattr(retention.forgetting, "forget", fail)

    assert retention.forget_old(within=SOON) == 1
    assert (name_of(first), name_of(second)) == ("Lucía Pérez", GUEST)
    assert "guest not forgotten" in caplog.text
    assert "lucia" not in caplog.text


def test_an_order_that_fails_keeps_none_of_its_batch_waiting(monkeypatch, caplog):
    tier = tier_of(DAYS + 1)
    orders = [make_order(tier=tier, status="cancelled") for _ in range(4)]
    broken = orders[1]
    forget = retention.forgetting.forget

    def fail(holdings, called):
        if broken.pk in holdings.orders:
            raise RuntimeError("lucia@example.com")
        forget(holdings, called)

    monkeypatch.setattr(retention.forgetting, "forget", fail)

    assert retention.forget_old(within=SOON) == 3

    assert [name_of(order) for order in orders] == [GUEST, "Lucía Pérez", GUEST, GUEST]
    [said] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert str(broken.pk) in said
    assert "lucia" not in said
    assert not AuditLog.objects.filter(action="FORGET_NIGHT").exists()


def test_an_order_made_for_the_night_later_is_found_again():
    tier = tier_of(DAYS + 1)
    paid(tier)
    retention.forget_old(within=SOON)
    AuditLog.objects.filter(action="FORGET_NIGHT").get()

    late = make_order(tier=tier, status="cancelled", created_at=timezone.now() + timedelta(seconds=1))
    assert retention.forget_old(within=SOON) == 1
    assert name_of(late) == GUEST
