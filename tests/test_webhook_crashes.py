"""A payment notice survives everything: the process killed at any step, 50 deliveries at once, a failing rule, a
database that is away. Nothing is lost and nothing happens twice."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
import requests
from django.db import OperationalError, connection
from django.utils import timezone

from homeproductions.mail.models import OutboxEmail
from orders.chores import apply_waiting_deliveries
from orders.models import JournalEntry, Order, Payment, WebhookDelivery
from orders.services import deliveries, payments, refunds
from tests import provider_bodies as bodies
from tests.factories import make_order
from tests.processes import PATIENCE, web_server
from tests.signing import PATH, new_secret, paid_body, signed_headers

SECRET = new_secret()
# Workers are copies of a master that has loaded everything: a killed one is replaced at once.
READY = {"PAYMENT_WEBHOOK_SECRETS": SECRET, "GUNICORN_CMD_ARGS": "--preload"}
# A connection that stays open would keep the server from stopping for as long as it is patient.
CLOSE = {"Connection": "close"}
STEPS = [
    "before storing",
    "after storing",
    "before applying",
    "before paying",
    "before mailing",
    "after mailing",
    "after paying",
    "after applying",
]


def tally(order):
    order.refresh_from_db()
    tickets = OutboxEmail.objects.filter(order=order, email_type="ticket").count()
    sales = JournalEntry.objects.filter(order=order, kind="sale").count()
    return order.status, Payment.objects.filter(order=order).count(), tickets, sales


def a_minute_later():
    moment = timezone.now() - timedelta(minutes=1)
    WebhookDelivery.objects.update(received_at=moment)
    WebhookDelivery.objects.exclude(processed_at=None).update(processed_at=moment)
    return apply_waiting_deliveries()


# --- Killed --------------------------------------------------------------------------------------------------


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + PATIENCE
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"nobody came to {path}"
        time.sleep(0.05)
    return path.read_text()


def post_and_kill(address, body, headers, file, step):
    """Deliver, and kill the web process with SIGKILL once it stands at the step. The provider gets no answer."""
    reached = file.with_suffix(".pid")
    reached.unlink(missing_ok=True)
    file.write_text(step)
    with ThreadPoolExecutor(1) as provider:
        answer = provider.submit(requests.post, address + PATH, data=body, headers=headers, timeout=PATIENCE)
        os.kill(int(wait_for(reached)), signal.SIGKILL)
        assert isinstance(answer.exception(), requests.RequestException)
    file.unlink()


def post_when_up(address, body, headers):
    """As a provider does that got no answer: again, until there is one. The killed process is being replaced."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return requests.post(address + PATH, data=body, headers=headers, timeout=PATIENCE)
        except requests.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.django_db(transaction=True)
def test_killed_at_any_step_nothing_is_lost_and_nothing_happens_twice(tmp_path):
    file = tmp_path / "step"
    with web_server("tests.pausing_wsgi", workers=2, PAUSE_FILE=str(file), **READY) as address:
        for step in STEPS:
            order = make_order(quantity=2)
            body = paid_body(order)
            headers = {**signed_headers(SECRET, body), **CLOSE}

            post_and_kill(address, body, headers, file, step)
            is_stored = WebhookDelivery.objects.filter(event_id=headers["webhook-id"]).exists()
            assert is_stored is (step != "before storing")
            a_minute_later()
            if is_stored:  # the worker needs nobody to send it again
                assert tally(order) == ("paid", 1, 1, 1), step
            answer = post_when_up(address, body, headers)

            assert (answer.status_code, answer.json()["processed"]) == (200, True)
            assert tally(order) == ("paid", 1, 1, 1), step


# --- At once -------------------------------------------------------------------------------------------------


def together(jobs):
    start = Barrier(len(jobs))

    def run(job):
        start.wait()
        try:
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as threads:
        return list(threads.map(run, jobs))


def deliver_in_thread(provider, event_id, body):
    delivery = deliveries.store_delivery(provider=provider, event_id=event_id, body=body, headers={})
    return deliveries.try_delivery(delivery.pk).processed


@pytest.mark.django_db(transaction=True)
def test_fifty_deliveries_of_one_event_are_one_payment_and_one_mail():
    order = make_order(quantity=2)
    body = paid_body(order)
    headers = {**signed_headers(SECRET, body), **CLOSE}
    start = Barrier(50)

    with web_server(workers=2, **READY) as address:

        def deliver(_):
            start.wait()
            return requests.post(address + PATH, data=body, headers=headers, timeout=PATIENCE)

        with ThreadPoolExecutor(50) as provider:
            answers = list(provider.map(deliver, range(50)))

    assert {(answer.status_code, answer.json()["processed"]) for answer in answers} == {(200, True)}
    assert (tally(order), WebhookDelivery.objects.count()) == (("paid", 1, 1, 1), 1)


@pytest.mark.django_db(transaction=True)
def test_both_families_of_a_payment_at_once_count_once():
    for _ in range(10):
        order = make_order(quantity=2)
        events = ("payment_intent.succeeded", "intent.succeeded", "intent.paid")
        several = [bodies.recurrente(order, event) for event in events]

        results = together(
            [
                lambda body=body, n=n, order=order: deliver_in_thread("recurrente", f"{order.pk}{n}", body)
                for n, body in enumerate(several)
            ]
        )

        assert (results, tally(order)) == ([True] * 3, ("paid", 1, 1, 1))


@pytest.mark.django_db(transaction=True)
def test_payment_and_its_refund_at_once_end_refunded():
    for _ in range(10):
        order = make_order(quantity=2)
        several = [bodies.recurrente(order), bodies.recurrente_refund(order)]

        together(
            [
                lambda body=body, n=n, order=order: deliver_in_thread("recurrente", f"{order.pk}{n}", body)
                for n, body in enumerate(several)
            ]
        )
        refunds.settle_met()

        order.refresh_from_db()
        tier = type(order.tier).objects.get(pk=order.tier_id)
        assert (order.status, tier.sold) == ("refunded", 0)
        assert JournalEntry.objects.filter(order=order, kind="refund").count() == 1


# --- Failing -------------------------------------------------------------------------------------------------


def fail(*args, **kwargs):
    raise RuntimeError("lucia@example.com")


def test_delivery_that_cannot_be_applied_is_a_success_for_the_sender(api, settings, monkeypatch):
    settings.PAYMENT_WEBHOOK_SECRETS = [SECRET]
    order = make_order(quantity=2)
    body = paid_body(order)
    with monkeypatch.context() as patch:
        patch.setattr(payments, "mark_paid", fail)
        answer = api.post(PATH, body, headers=signed_headers(SECRET, body))

    delivery = WebhookDelivery.objects.get()
    assert (answer.status_code, answer.json()) == (
        200,
        {"received": True, "processed": False, "reason": "not_applied_yet"},
    )
    assert (delivery.status, delivery.attempts, "lucia" in delivery.reason) == ("failed", 1, False)
    assert tally(order) == ("pending", 0, 0, 0)

    assert a_minute_later() == 1
    assert tally(order) == ("paid", 1, 1, 1)


def test_failing_delivery_rests_longer_each_time_and_blocks_nobody(db, monkeypatch):
    old = timezone.now() - timedelta(days=2)
    for number in range(3):
        WebhookDelivery.objects.create(provider="nobody", event_id=f"bad{number}", body=b"{}", received_at=old)
    order = make_order(quantity=2)
    WebhookDelivery.objects.create(
        provider="webhook", event_id="good", body=paid_body(order), received_at=old + timedelta(days=1)
    )

    assert apply_waiting_deliveries() == 1
    assert tally(order) == ("paid", 1, 1, 1)
    assert apply_waiting_deliveries() == 0
    assert set(WebhookDelivery.objects.filter(provider="nobody").values_list("status", "attempts")) == {("failed", 1)}
    for attempts in (2, 3):
        a_minute_later() if attempts == 2 else WebhookDelivery.objects.update(processed_at=old)
        apply_waiting_deliveries()
    assert set(WebhookDelivery.objects.filter(provider="nobody").values_list("attempts", flat=True)) == {3}
    assert OutboxEmail.objects.filter(email_type="staff_alert").count() == 3


def test_deadlock_of_one_delivery_does_not_stop_the_others(db, monkeypatch):
    old = timezone.now() - timedelta(minutes=2)
    order = make_order(quantity=2)
    WebhookDelivery.objects.create(provider="webhook", event_id="first", body=b"{}", received_at=old)
    WebhookDelivery.objects.create(
        provider="webhook", event_id="second", body=paid_body(order), received_at=old + timedelta(seconds=1)
    )
    apply = deliveries.apply_delivery

    def deadlock(delivery_id):
        if WebhookDelivery.objects.get(pk=delivery_id).event_id == "first":
            raise OperationalError("deadlock detected")
        return apply(delivery_id)

    monkeypatch.setattr(deliveries, "apply_delivery", deadlock)

    assert apply_waiting_deliveries() == 1
    assert tally(order) == ("paid", 1, 1, 1)
    assert WebhookDelivery.objects.get(event_id="first").attempts == 1


@pytest.mark.parametrize("step", ["store_delivery", "apply_delivery"])
def test_database_that_is_away_makes_the_sender_try_again(api, settings, monkeypatch, step):
    settings.PAYMENT_WEBHOOK_SECRETS = [SECRET]
    order = make_order()
    body = paid_body(order)

    def away(*args, **kwargs):
        raise OperationalError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(deliveries, step, away)
        answer = api.post(PATH, body, headers=signed_headers(SECRET, body, event_id="msg_1"))
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)

    assert api.post(PATH, body, headers=signed_headers(SECRET, body, event_id="msg_1")).json()["processed"] is True
    assert Order.objects.get().status == "paid"
