"""Notices that no payment ties to an order: the worker looks at each once, and they go with whoever they are about."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from homeproductions import chores
from orders.models import Order, Payment, WebhookDelivery
from orders.providers.registry import notices_in
from orders.services import deliveries, forgetting, retention, strays
from tests import provider_bodies as bodies
from tests.factories import make_order

from .test_retention import DAYS, SOON, paid, tier_of


@pytest.fixture(autouse=True)
def thirty_days(settings, db):
    settings.FORGET_GUESTS_AFTER_DAYS = DAYS


def stray(order, **changes):
    """That a payment failed, which is no payment."""
    body = bodies.recurrente(order, "payment_intent.failed", **changes)
    delivery = deliveries.store_delivery(provider="recurrente", event_id=f"{order.pk} {changes}", body=body, headers={})
    deliveries.apply_delivery(delivery.pk)
    return delivery


def about_nobody():
    """A notice that names an order that is not here."""
    return stray(Order(order_number="HP-ELSEWHERE", total_price=1, currency="USD"))


def age_notices(days=DAYS + 1):
    WebhookDelivery.objects.update(received_at=timezone.now() - timedelta(days=days))


def is_bare(delivery):
    delivery.refresh_from_db()
    return b"lucia" not in bytes(delivery.body) and delivery.forgotten_at is not None


def look():
    return strays.look_at_new(within=SOON)


def forget_old():
    return retention.forget_old(within=SOON)


def moments(monkeypatch, *seconds):
    """The clock at each look on it; the last one from then on."""
    left = list(seconds)
    monkeypatch.setattr(strays.time, "monotonic", lambda: left.pop(0) if len(left) > 1 else left[0])


# --- With their order, or by age -------------------------------------------------------------------------------------


def test_a_notice_goes_with_the_order_that_it_names():
    old, new = paid(tier_of(DAYS + 1)), paid(tier_of(1))
    of_old, of_new = stray(old), stray(new)
    look()

    forget_old()

    assert (is_bare(of_old), is_bare(of_new)) == (True, False)


def test_a_notice_that_was_looked_at_while_somebody_was_asked_goes_as_well():
    order = paid(tier_of(DAYS + 1))
    holdings = forgetting.holdings_of_orders([order.pk])
    late = stray(order)
    look()

    forgetting.forget(holdings, forgetting.traces_by_row(holdings))

    assert is_bare(late)


def test_a_notice_about_nobody_goes_by_age():
    young, old = about_nobody(), about_nobody()
    look()
    WebhookDelivery.objects.filter(pk=old.pk).update(received_at=timezone.now() - timedelta(days=DAYS + 1))

    assert forget_old() == 1
    assert (is_bare(young), is_bare(old)) == (False, True)


def test_those_of_remembered_guests_keep_no_stray_behind_them_waiting(monkeypatch):
    monkeypatch.setattr(strays, "PAGE", 2)
    order = paid(tier_of(1))
    early = [stray(order, attempt=number) for number in range(6)]
    behind = about_nobody()
    age_notices()
    WebhookDelivery.objects.filter(pk=behind.pk).update(received_at=timezone.now() - timedelta(days=DAYS, hours=1))
    look()
    moments(monkeypatch, 0, 20)  # time for one page

    assert strays.forget_old(timezone.now() - timedelta(days=DAYS), stop=10) == 1
    assert (is_bare(behind), [is_bare(each) for each in early]) == (True, [False] * 6)


def test_money_of_nobody_is_forgotten_once_it_was_decided_about():
    body = json.loads(bodies.stripe_session(make_order(tier=tier_of(1))))
    body["data"]["object"] |= {"metadata": {}, "amount_total": 7}
    bodies.receive(json.dumps(body).encode(), "stripe")
    age_notices()

    look()
    forget_old()
    assert Payment.objects.get().payer_email == "lucia@example.com"

    Payment.objects.update(outcome="ignored", outcome_note="lucia called", reviewed_at=timezone.now())
    look()
    assert forget_old() == 1
    assert (Payment.objects.get().payer_email, Payment.objects.get().outcome_note) == ("", "")
    assert is_bare(WebhookDelivery.objects.get())


def test_notices_that_are_not_applied_yet_stay_whole():
    body = bodies.recurrente(make_order(tier=tier_of(DAYS + 1), status="cancelled"))
    delivery = deliveries.store_delivery(provider="recurrente", event_id="x", body=body, headers={})
    age_notices()

    look()
    forget_old()

    assert (is_bare(delivery), delivery.looked_at) == (False, None)


# --- Notices that come too late --------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [0, DAYS])
def test_what_comes_after_its_guest_was_forgotten_is_emptied_as_well(settings, days):
    gone, known = paid(tier_of(DAYS + 1)), paid(tier_of(1))
    forget_old()
    settings.FORGET_GUESTS_AFTER_DAYS = days
    for order in (gone, known):
        bodies.receive(bodies.recurrente(order, "intent.succeeded"))  # a repeat, which is no payment of its own
        bodies.receive(bodies.recurrente_refund(order))

    assert look() == 2

    forgotten = [delivery for delivery in WebhookDelivery.objects.all() if delivery.forgotten_at]
    assert len(forgotten) == 3
    assert all(is_bare(delivery) for delivery in forgotten)
    assert not Payment.objects.filter(order=gone).exclude(payer_email="").exists()
    assert set(WebhookDelivery.objects.filter(forgotten_at=None).values_list("order", flat=True)) == {known.pk}
    assert look() == 0


def test_what_came_while_the_worker_was_away_for_weeks_is_not_left_out():
    gone = paid(tier_of(DAYS + 60))
    forget_old()
    late = stray(gone)
    age_notices(days=20)

    chores.CHORES["forget late notices"].function()

    assert is_bare(late)


def test_a_dispute_told_once_more_is_known_by_the_payment_that_it_names():
    order = make_order(tier=tier_of(DAYS + 1))
    bodies.receive(bodies.stripe_session(order), "stripe")
    forget_old()
    dispute = bodies.stripe_dispute(order, evidence={"customer_name": "lucia"})
    for event_id in ("first", "again"):
        deliveries.store_delivery(provider="stripe", event_id=event_id, body=dispute, headers={})
        deliveries.apply_delivery(WebhookDelivery.objects.get(event_id=event_id).pk)

    assert look() == 1  # the first one waits for a person
    assert is_bare(WebhookDelivery.objects.get(event_id="again"))
    assert not is_bare(WebhookDelivery.objects.get(event_id="first"))


def test_a_reference_that_was_used_again_does_not_tie_a_notice_to_the_other_order():
    known, gone = paid(tier_of(1)), paid(tier_of(DAYS + 1))
    forget_old()
    reference = notices_in("recurrente", bodies.recurrente(known))[0].reference
    late = stray(gone, id=reference)
    assert Payment.objects.filter(reference=reference).exists()

    look()

    assert is_bare(late)


def test_late_money_that_waits_keeps_its_payer_until_it_is_decided():
    order = paid(tier_of(DAYS + 1))
    forget_old()
    body = json.loads(bodies.recurrente(order)) | {"id": "pa_second"}
    body["checkout"] |= {"id": "ch_second", "payment": {"id": "pa_other"}}
    bodies.receive(json.dumps(body).encode())
    double = Payment.objects.get(needs_review="double_payment")

    assert (look(), double.payer_email) == (0, "lucia@example.com")

    Payment.objects.filter(pk=double.pk).update(outcome="ignored", reviewed_at=timezone.now())
    assert look() == 1
    double.refresh_from_db()
    assert double.payer_email == ""


# --- How it goes on --------------------------------------------------------------------------------------------------


def test_each_notice_is_read_once(monkeypatch):
    order = paid(tier_of(1))
    stray(order), about_nobody()
    read = []
    monkeypatch.setattr(strays, "notices_in", lambda *said: read.append(said) or notices_in(*said))

    for _ in range(2):
        look()

    assert len(read) == WebhookDelivery.objects.count() == 3


def test_it_stops_in_time_and_goes_on_later(monkeypatch):
    monkeypatch.setattr(strays, "PAGE", 2)
    order = paid(tier_of(1))
    for number in range(4):
        stray(order, attempt=number)
    with monkeypatch.context() as patch:
        moments(patch, 0, 1, 20)  # time for one page
        look()
    seen = WebhookDelivery.objects.filter(looked_at__isnull=False)
    assert list(seen.order_by("received_at")) == list(WebhookDelivery.objects.order_by("received_at")[:2])

    look()

    assert seen.count() == 5


def test_pages_pass_notices_of_the_very_same_moment(monkeypatch):
    monkeypatch.setattr(strays, "PAGE", 2)
    for _ in range(5):
        about_nobody()
    WebhookDelivery.objects.update(received_at=timezone.now())
    monkeypatch.setattr(strays, "_look_at", lambda ids: len(ids))  # and leaves them as they are

    assert look() == 5


def test_one_that_fails_stops_no_other(monkeypatch, caplog):
    gone = paid(tier_of(DAYS + 1))
    forget_old()
    broken, fine = stray(gone, attempt=1), stray(gone, attempt=2)

    def fail(delivery):
        if delivery.pk == broken.pk:
            raise RuntimeError("lucia@example.com")
        empty(delivery)

    empty = strays._empty
    monkeypatch.setattr(strays, "_empty", fail)

    assert look() == 1
    assert (is_bare(broken), is_bare(fine)) == (False, True)
    assert (str(broken.pk) in caplog.text, "lucia" in caplog.text) == (True, False)


@pytest.mark.parametrize(
    ("notices", "index"), [(strays._unseen, "delivery_unseen"), (strays._of_nobody, "delivery_of_nobody")]
)
def test_a_page_is_found_by_its_index(notices, index):
    rows = notices().filter(received_at__gte=timezone.now()).order_by("received_at", "pk").values_list("pk")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        plan = rows[: strays.PAGE].explain()

    assert f"using {index}" in plan.lower()
    assert "seq scan on webhook_deliveries" not in plan.lower()


def test_what_nobody_can_read_says_nothing():
    assert (notices_in("recurrente", b"no JSON"), notices_in("a provider of long ago", b"{}")) == ([], [])
    assert notices_in("stripe", memoryview(bodies.stripe_session(make_order())))[0].payer_email == "lucia@example.com"
