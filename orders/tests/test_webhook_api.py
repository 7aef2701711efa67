import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from audit.models import AuditLog
from homeproductions.mail.models import OutboxEmail
from orders.chores import apply_waiting_deliveries
from orders.models import Order, Payment, WebhookDelivery
from orders.providers import standard
from orders.services import matching
from tests.factories import make_order
from tests.signing import PATH, new_secret, paid_body, signed_headers

SECRET = new_secret()


@pytest.fixture(autouse=True)
def secrets_configured(settings):
    settings.PAYMENT_WEBHOOK_SECRETS = [SECRET]


@pytest.fixture
def order(db):
    return make_order(status="pending", quantity=2)


def deliver(api, body, **kwargs):
    headers = kwargs.pop("headers", None) or signed_headers(SECRET, body, **kwargs)
    return api.post(PATH, body, headers=headers)


def test_signed_payment_pays_the_order_and_queues_the_ticket(api, order):
    response = deliver(api, paid_body(order, id="pay_1"))

    order.refresh_from_db()
    assert (response.status_code, response.json()) == (200, {"received": True, "processed": True})
    assert (order.status, order.payment_provider, order.payment_reference) == ("paid", "webhook", "pay_1")
    assert OutboxEmail.objects.get().order == order
    assert AuditLog.objects.get(action="STATUS_CHANGE").new_value == {"status": "paid", "provider": "webhook"}
    assert WebhookDelivery.objects.get().status == "applied"


@pytest.mark.django_db(transaction=True)
def test_payment_is_booked_in_eight_round_trips(api, django_assert_num_queries):
    """Those of BEGIN and COMMIT included."""
    body = paid_body(make_order(status="pending", quantity=2))

    with django_assert_num_queries(8):
        assert deliver(api, body).json()["processed"] is True


def test_payment_that_a_twin_stored_in_the_same_moment_counts_once(api, order, monkeypatch):
    deliver(api, paid_body(order, id="pay_1", metadata={"order_id": "HP000000-NOTHING0"}))
    known, looks = matching.known_charge, []

    def look_too_early(*args):
        looks.append(args)
        return known(*args) if len(looks) > 1 else None

    monkeypatch.setattr(matching, "known_charge", look_too_early)
    answer = deliver(api, paid_body(order, id="pay_1"))

    order.refresh_from_db()
    assert (answer.json(), order.status) == ({"received": True, "processed": True}, "paid")
    assert (Payment.objects.get().order, len(looks)) == (order, 2)


@pytest.mark.parametrize("prefix", ["webhook", "svix"])
def test_both_header_names_are_known(api, order, prefix):
    assert deliver(api, paid_body(order), prefix=prefix).json()["processed"] is True


def test_any_of_several_secrets_may_sign(api, order, settings):
    settings.PAYMENT_WEBHOOK_SECRETS = [new_secret(), SECRET]

    assert deliver(api, paid_body(order)).json()["processed"] is True


def test_replay_is_a_quiet_success(api, order):
    body = paid_body(order)
    headers = signed_headers(SECRET, body)

    answers = [deliver(api, body, headers=headers) for _ in range(3)]

    assert [(answer.status_code, answer.json()["processed"]) for answer in answers] == [(200, True)] * 3
    assert (Payment.objects.count(), OutboxEmail.objects.count(), WebhookDelivery.objects.count()) == (1, 1, 1)


def test_same_payment_under_another_event_id_counts_once(api, order):
    body = paid_body(order, id="pay_1")

    assert [deliver(api, body).json()["processed"] for _ in range(2)] == [True, True]
    assert (Payment.objects.count(), OutboxEmail.objects.count()) == (1, 1)


def test_route_is_not_there_without_a_secret(api, order, settings):
    settings.PAYMENT_WEBHOOK_SECRETS = []

    response = deliver(api, paid_body(order))

    assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")


def reviewed(api, body):
    answer = deliver(api, body).json()
    payment = Payment.objects.get()
    assert answer["received"] is True
    assert answer["processed"] is False
    # One mail, and it goes to the staff.
    mail = OutboxEmail.objects.get()
    assert (mail.email_type, mail.recipient_email) == ("staff_alert", "info@homeproductions.art")
    return answer["reason"], payment.needs_review


@pytest.mark.parametrize(
    "change",
    [
        {"amount_in_cents": 5099},
        {"amount_in_cents": 51.0},
        {"amount_in_cents": "5100"},
        {"amount_in_cents": True},
        {"amount_in_cents": None},
        {"currency": "GTQ"},
        {"currency": None},
    ],
    ids=str,
)
def test_wrong_amount_or_currency_waits_for_a_person(api, order, change):
    assert order.total_price == Decimal(51)

    assert reviewed(api, paid_body(order, **change)) == ("amount_mismatch", "amount_mismatch")
    order.refresh_from_db()
    assert order.status == "pending"


def test_unknown_order_is_kept(api, order):
    body = paid_body(order, metadata={"order_id": "HP261123-NOTHING0"})

    assert reviewed(api, body) == ("order_not_found", "unknown_order")


def test_payment_without_an_order_is_kept(api, order):
    body = paid_body(order, metadata={}, customer_email="")

    assert reviewed(api, body) == ("no_order_id", "unknown_order")


def test_reference_that_paid_another_order_is_kept(api, order):
    other = make_order()
    deliver(api, paid_body(other, id="pay_1"))

    answer = deliver(api, paid_body(order, id="pay_1")).json()

    assert answer == {"received": True, "processed": False, "reason": "double_payment"}
    order.refresh_from_db()
    assert (order.status, Payment.objects.get(order=order).needs_review) == ("pending", "double_payment")


def test_corrected_notice_of_a_payment_in_review_stays_in_review(api, order):
    deliver(api, paid_body(order, id="pay_1", amount_in_cents=1))

    assert deliver(api, paid_body(order, id="pay_1")).json()["processed"] is False
    order.refresh_from_db()
    assert order.status == "pending"


def test_long_event_ids_are_told_apart(api, order):
    other = make_order()
    for number, each in enumerate((order, other)):
        deliver(api, paid_body(each), event_id="m" * 300 + str(number))

    assert set(Order.objects.values_list("status")) == {("paid",)}


def test_route_of_the_provider_verifies_and_answers_shortly(api, order):
    body = paid_body(order)
    path = "/api/webhook/recurrente"

    assert api.post(path, body).status_code == 401
    assert api.post(path, body, headers=signed_headers(SECRET, body, prefix="svix")).json() == {"received": True}
    order.refresh_from_db()
    assert (order.status, order.payment_provider) == ("paid", "recurrente")


def test_delivery_that_keeps_failing_is_counted_and_blocks_nobody(order, monkeypatch):
    for event_id in ("bad", "good"):
        WebhookDelivery.objects.create(
            provider="webhook",
            event_id=event_id,
            body=b"{" if event_id == "bad" else paid_body(order),
            received_at=timezone.now() - timedelta(minutes=1),
        )
    real = standard.notices
    monkeypatch.setattr(standard, "notices", lambda body: 1 / 0 if body == b"{" else real(body))

    assert apply_waiting_deliveries() == 1
    bad = WebhookDelivery.objects.get(event_id="bad")
    assert (bad.status, bad.attempts, bad.reason) == ("failed", 1, "ZeroDivisionError")


def test_late_payment_is_kept(api, order):
    Order.objects.update(status="cancelled")

    assert reviewed(api, paid_body(order)) == ("late_payment", "late_payment")


def test_double_payment_is_kept(api, order):
    deliver(api, paid_body(order, id="pay_1"))

    answer = deliver(api, paid_body(order, id="pay_2")).json()

    assert answer == {"received": True, "processed": False, "reason": "double_payment"}
    assert Payment.objects.get(reference="pay_2").needs_review == "double_payment"
    assert OutboxEmail.objects.filter(email_type="ticket").count() == 1


@pytest.mark.parametrize(
    "shape",
    [
        lambda number: {"event": "payment.succeeded", "order_id": number, "payment_id": "p"},
        lambda number: {"status": "paid", "order_id": number, "reference": "p"},
        lambda number: {"status": "completed", "data": {"order_id": number, "payment_id": "p"}},
        lambda number: {"status": "success", "data": {"metadata": {"order_id": number}, "id": "p"}},
        lambda number: {"status": "paid", "order_id": number.lower(), "reference": "p"},
    ],
)
def test_all_shapes_of_the_contract_are_read(api, order, shape):
    content = {**shape(order.order_number), "amount_in_cents": 5100, "currency": "usd"}

    assert deliver(api, json.dumps(content).encode()).json()["processed"] is True
    assert Payment.objects.get().reference == "p"


def test_order_may_be_named_by_its_id(api, order):
    content = {"status": "paid", "order_id": str(order.pk), "amount_in_cents": 5100, "currency": "USD"}

    assert deliver(api, json.dumps(content).encode()).json()["processed"] is True


@pytest.mark.parametrize("content", [{"event": "payment.failed"}, {"status": "error"}, {"event": "customer.created"}])
def test_failed_and_unknown_states_change_nothing(api, order, content):
    response = deliver(api, json.dumps({**content, "order_id": order.order_number}).encode())

    order.refresh_from_db()
    assert (response.status_code, response.json()) == (200, {"received": True, "processed": True})
    assert (order.status, Payment.objects.count()) == ("pending", 0)


def test_large_and_unannounced_bodies_are_refused_unread(api, order):
    assert deliver(api, b"x" * (256 * 1024 + 1)).status_code == 413
    body = paid_body(order)
    chunked = api.post(PATH, body, headers={**signed_headers(SECRET, body), "Transfer-Encoding": "chunked"})
    assert (chunked.status_code, chunked.json()["code"]) == (411, "LENGTH_REQUIRED")


def test_stored_delivery_of_a_dead_request_is_applied_by_the_worker(order):
    body = paid_body(order)
    WebhookDelivery.objects.create(
        provider="webhook", event_id="msg_1", body=body, received_at=timezone.now() - timedelta(minutes=1)
    )
    WebhookDelivery.objects.create(provider="webhook", event_id="msg_2", body=body)  # its request may still be at it

    assert apply_waiting_deliveries() == 1
    order.refresh_from_db()
    assert order.status == "paid"
