from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from events.models import TicketTier
from orders.models import IdempotencyKey, Order
from orders.services import idempotency, status
from tests.factories import make_tier

KEY = "5f0c9b52-7d0e-4a52-9a6f-7d0a3f3a2c11"


def wish(tier, **changes):
    return {
        "eventId": str(tier.event_id),
        "tierId": str(tier.pk),
        "buyerName": "Lucía Pérez",
        "buyerEmail": "lucia@example.com",
        "quantity": 2,
        **changes,
    }


def order(api, body, key=KEY):
    return api.post("/api/orders", body, headers={"Idempotency-Key": key})


def test_same_key_and_body_get_the_same_answer_and_order_once(api):
    tier = make_tier()

    first, second = order(api, wish(tier)), order(api, wish(tier))

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert (Order.objects.count(), TicketTier.objects.get().sold) == (1, 2)


def test_answer_is_the_first_one_whatever_became_of_the_order(api):
    tier = make_tier()
    first = order(api, wish(tier)).json()
    status.cancel(Order.objects.get().pk)

    second = order(api, wish(tier)).json()

    assert second == first
    assert second["order"]["status"] == "pending"
    assert Order.objects.get().status == "cancelled"


def test_free_order_is_answered_with_its_ticket_again(api):
    tier = make_tier(price=Decimal(0))

    first, second = order(api, wish(tier)).json(), order(api, wish(tier)).json()

    assert first == second
    assert (first["order"]["status"], len(first["qrCode"])) == ("paid", 32)


def test_same_wish_in_another_spelling_is_the_same(api):
    tier = make_tier()
    body = wish(tier)
    order(api, body)

    other = {**body, "buyer_name": body["buyerName"] + " ", "utm": "x"}
    del other["buyerName"]

    assert order(api, other).status_code == 201
    assert Order.objects.count() == 1


@pytest.mark.parametrize("change", [{"quantity": 3}, {"buyerEmail": "eve@example.com"}, {"buyerPhone": "1"}])
def test_key_with_another_body_is_refused_and_tells_nothing(api, change):
    tier = make_tier()
    order(api, wish(tier))

    response = order(api, wish(tier, **change))

    answer = response.json()
    assert (response.status_code, answer["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert set(answer) == {"success", "error", "code"}
    assert (Order.objects.count(), TicketTier.objects.get().sold) == (1, 2)


def test_other_keys_and_no_key_order_again(api):
    tier = make_tier()

    answers = [order(api, wish(tier)), order(api, wish(tier), key="2"), api.post("/api/orders", wish(tier))]

    assert len({answer.json()["order"]["orderNumber"] for answer in answers}) == 3


def test_refusal_is_not_remembered(api):
    tier = make_tier(quantity=1)
    refused = order(api, wish(tier))
    assert (refused.json()["code"], IdempotencyKey.objects.count()) == ("SOLD_OUT", 0)

    TicketTier.objects.update(quantity=10)

    assert order(api, wish(tier)).status_code == 201


def test_refusal_under_the_lock_is_not_remembered_either(api, monkeypatch):
    """The first look still saw seats."""
    tier = make_tier(quantity=1)
    monkeypatch.setattr("orders.services.checkout.check_on_sale", lambda *args, **kwargs: None)

    assert order(api, wish(tier)).json()["code"] == "SOLD_OUT"
    assert (IdempotencyKey.objects.count(), Order.objects.count()) == (0, 0)


def test_who_took_the_last_seats_gets_them_again_and_not_sold_out(api):
    tier = make_tier(quantity=2)

    assert [order(api, wish(tier)).status_code for _ in range(2)] == [201, 201]
    assert order(api, wish(tier), key="2").json()["code"] == "SOLD_OUT"


def test_twin_that_was_faster_is_the_answer(api, monkeypatch):
    """It committed after our look for the key, with the last seats, so that we would have been refused."""
    tier = make_tier(quantity=2)
    first = order(api, wish(tier)).json()
    find, looks = idempotency.find, iter([lambda attempt: None])
    monkeypatch.setattr(idempotency, "find", lambda attempt: next(looks, find)(attempt))

    assert order(api, wish(tier)).json() == first
    assert Order.objects.count() == 1


def test_twin_with_another_body_that_was_faster_is_refused(api, monkeypatch):
    tier = make_tier()
    order(api, wish(tier))
    find, looks = idempotency.find, iter([lambda attempt: None])
    monkeypatch.setattr(idempotency, "find", lambda attempt: next(looks, find)(attempt))

    assert order(api, wish(tier, quantity=1)).status_code == 422
    assert (Order.objects.count(), TicketTier.objects.get().sold) == (1, 2)


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "ñandú", "null\x00"])
def test_key_that_is_not_printable_ascii_is_refused(api, key):
    response = order(api, wish(make_tier()), key=key)

    assert (response.status_code, response.json()["code"]) == (400, "VALIDATION_ERROR")
    assert not Order.objects.exists()


@pytest.mark.parametrize("key", ["1", "~" * 255, "a b"])
def test_any_printable_ascii_is_a_key(api, key):
    assert order(api, wish(make_tier()), key=key).status_code == 201


def test_invalid_body_is_refused_before_the_key_is_looked_up(api):
    tier = make_tier()
    order(api, wish(tier))

    assert order(api, wish(tier, buyerEmail="nobody")).status_code == 400


def test_neither_key_nor_body_is_stored(api):
    order(api, wish(make_tier()))

    stored = str(IdempotencyKey.objects.values().get())
    assert not [secret for secret in (KEY, "lucia", "Lucía") if secret in stored]


def test_equal_bodies_leave_different_hashes():
    body = {"buyer_email": "lucia@example.com"}

    assert idempotency.Attempt.of("1", body).body_hash != idempotency.Attempt.of("2", body).body_hash


def test_keys_are_forgotten_after_a_day(api):
    tier = make_tier()
    order(api, wish(tier))
    day = timedelta(hours=24)

    assert idempotency.forget_old(timezone.now() + day - timedelta(minutes=1)) == 0
    assert idempotency.forget_old(timezone.now() + day + timedelta(minutes=1)) == 1
    assert Order.objects.count() == 1
    assert order(api, wish(tier)).status_code == 201
    assert Order.objects.count() == 2


def test_header_is_documented(api):
    operation = api.get("/api/schema").json()["paths"]["/api/orders"]["post"]

    header = next(each for each in operation["parameters"] if each["in"] == "header")
    assert (header["name"], header.get("required", False), header["schema"]["maxLength"]) == (
        "Idempotency-Key",
        False,
        255,
    )
    assert operation["responses"]["422"]["description"] == "IDEMPOTENCY_KEY_REUSED"


def test_repeated_answer_sends_nobody_to_pay_for_an_order_that_is_over(api):
    tier = make_tier(payment_link="https://pay.example.com/all")
    first = order(api, wish(tier)).json()["order"]
    status.cancel(Order.objects.get().pk)

    again = order(api, wish(tier)).json()["order"]

    assert (first["paymentLink"], again["paymentLink"]) == ("https://pay.example.com/all", None)
    assert again["orderNumber"] == first["orderNumber"]
