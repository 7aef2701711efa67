import json
import re
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError
from django.utils import timezone

from events.models import TicketTier
from homeproductions.fields import timestamp
from homeproductions.mail.models import OutboxEmail
from orders import codes, links
from orders.models import Order
from orders.services import checkout
from tests.factories import make_event, make_order, make_tier

ORDER_KEYS = {
    "id",
    "orderNumber",
    "eventId",
    "eventName",
    "eventDate",
    "eventTime",
    "eventLocation",
    "tierId",
    "tierName",
    "buyerName",
    "buyerEmail",
    "buyerPhone",
    "buyerCountry",
    "quantity",
    "unitPrice",
    "totalPrice",
    "currency",
    "status",
    "paymentMethod",
    "paymentLink",
    "holdExpiresAt",
    "createdAt",
}


def wish(tier, **changes):
    return {
        "eventId": str(tier.event_id),
        "tierId": str(tier.pk),
        "buyerName": " Lucía Pérez ",
        "buyerEmail": "Lucia@example.com",
        "quantity": 2,
        **changes,
    }


def test_order_holds_its_seats(api):
    tier = make_tier(price=Decimal("25.25"), currency="GTQ", payment_link="https://pay.example.com/x")

    response = api.post("/api/orders", wish(tier), headers={"User-Agent": "Phone"})

    answer = response.json()
    assert (response.status_code, set(answer)) == (201, {"success", "order", "qrCode", "orderUrl", "message"})
    assert set(answer["order"]) == ORDER_KEYS
    assert (answer["qrCode"], answer["order"]["status"]) == (None, "pending")
    assert (answer["order"]["unitPrice"], answer["order"]["totalPrice"]) == (25.25, 50.5)
    assert re.fullmatch(r"HP\d{6}-[0-9A-Z]{8}", answer["order"]["orderNumber"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer["order"]["createdAt"])
    order = Order.objects.get()
    assert (order.buyer_name, order.buyer_email) == ("Lucía Pérez", "Lucia@example.com")
    assert (order.referral_source, order.user_agent, order.ip_address) == ("direct", "Phone", "127.0.0.1")
    mail = OutboxEmail.objects.get()
    assert (TicketTier.objects.get().sold, mail.email_type) == (2, "confirmation")
    assert answer["orderUrl"] == links.order_url(order)
    assert answer["order"]["holdExpiresAt"] == timestamp(order.hold_expires_at)


@pytest.mark.parametrize("field", ["buyerName", "buyerPhone", "buyerCountry", "buyerNationality"])
@pytest.mark.parametrize("text", ["Ana\nBruno", "Ana\tBruno", "Ana\x1b[2J", "Ana\u202eonurB", "Ana\u2066B"])
def test_order_with_characters_that_cannot_be_seen_is_refused(api, field, text):
    response = api.post("/api/orders", wish(make_tier(), **{field: text}))

    assert (response.status_code, response.json()["code"]) == (400, "VALIDATION_ERROR")
    assert response.json()["error"].startswith(f"{field}: This has a line break")
    assert not Order.objects.exists()


def test_order_takes_snake_case_and_defaults(api):
    tier = make_tier()
    body = {"event_id": str(tier.event_id), "tier_id": str(tier.pk), "buyer_name": "A", "buyer_email": "a@b.co"}

    response = api.post("/api/orders/", {**body, "status": "paid", "sold": 0, "totalPrice": 1, "quantity": None})

    assert (response.status_code, response.json()["order"]["quantity"]) == (201, 1)
    assert Order.objects.get().status == "pending"


def test_camel_case_wins_over_snake_case(api):
    tier = make_tier()

    order = api.post("/api/orders", wish(tier, buyer_name="Snake", buyerName="Camel")).json()["order"]

    assert order["buyerName"] == "Camel"


def test_order_may_come_as_a_form(api):
    response = api.post("/api/orders", wish(make_tier()), content_type="application/x-www-form-urlencoded")
    assert response.status_code == 400  # a dict is not a form body

    form = "&".join(f"{key}={value}" for key, value in wish(make_tier(), buyerName="Ana").items())
    response = api.post("/api/orders", form, content_type="application/x-www-form-urlencoded")
    assert (response.status_code, response.json()["order"]["quantity"]) == (201, 2)


def test_free_order_is_paid_at_once_and_mailed(api):
    tier = make_tier(price=0)

    answer = api.post("/api/orders", wish(tier)).json()

    order = Order.objects.get()
    assert (order.status, order.payment_provider) == ("paid", "free")
    assert codes.hash_code(answer["qrCode"]) == order.qr_code_hash
    mail = OutboxEmail.objects.get()
    assert (mail.email_type, mail.recipient_email) == ("ticket", "Lucia@example.com")


def refused(api, body):
    """The refusal's status and code, after making sure that it changed nothing."""
    sold = list(TicketTier.objects.order_by("pk").values_list("sold"))
    raw = body if isinstance(body, bytes) else json.dumps(body)
    response = api.post("/api/orders", raw, content_type="application/json")
    answer = response.json()
    assert (answer["success"], type(answer["error"])) == (False, str)
    assert (Order.objects.count(), list(TicketTier.objects.order_by("pk").values_list("sold"))) == (0, sold)
    return response.status_code, answer["code"]


@pytest.mark.parametrize("field", ["eventId", "tierId", "buyerName", "buyerEmail"])
@pytest.mark.parametrize("value", [None, "", "   "])
def test_missing_field_is_named(api, field, value):
    assert refused(api, wish(make_tier(), **{field: value})) in [
        (400, "MISSING_REQUIRED_FIELDS"),
        # Blanks are no UUID; for texts they are nothing at all.
        *([(400, "VALIDATION_ERROR")] if field.endswith("Id") and value else []),
    ]


def test_absent_field_is_missing(api):
    body = wish(make_tier())
    del body["buyerEmail"]

    assert refused(api, body) == (400, "MISSING_REQUIRED_FIELDS")


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 0},
        {"quantity": -1},
        {"quantity": 1.5},
        {"quantity": "2"},
        {"quantity": True},
        {"quantity": 10**9},
        {"quantity": 10**400},
        {"quantity": 11},
        {"quantity": [1]},
        {"buyerName": "x" * 100_000},
        {"buyerName": "a\x00b"},
        {"buyerName": 5},
        {"buyerName": {"$ne": None}},
        {"buyerEmail": "no-at.example.com"},
        {"buyerEmail": "a@b"},
        {"buyerEmail": "a b@example.com"},
        {"buyerEmail": "a@example.com\r\nBcc: x@example.com"},
        {"buyerEmail": "<a>@example.com"},
        {"buyerEmail": "a@" + "x" * 300 + ".com"},
        {"buyerPhone": "1" * 51},
        {"buyerCountry": "x" * 101},
        {"paymentMethod": "x" * 51},
        {"referralSource": "x" * 101},
        {"eventId": "abc"},
        {"tierId": 7},
    ],
    ids=str,
)
def test_wrong_value_is_refused(api, change):
    assert refused(api, wish(make_tier(), **change)) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"text"',
        b"nonsense",
        b"\xff\xfe{}",
        b'{"buyerName": "\\ud800"}',
        b'{"buyerName": "\\u0000"}',
        b'{"quantity": NaN}',
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda body: repr(body[:30]),
)
def test_hostile_body_is_refused(api, body):
    make_tier()

    status, code = refused(api, body)

    assert (status, code) in [(400, "VALIDATION_ERROR")]


def test_empty_body_misses_everything(api):
    assert refused(api, b"") == (400, "MISSING_REQUIRED_FIELDS")


def test_wrong_content_type_is_refused(api):
    response = api.post("/api/orders", json.dumps(wish(make_tier())), content_type="text/plain")

    assert (response.status_code, response.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_body_over_ten_megabytes_is_too_large(api):
    response = api.post("/api/orders", b" " * (10 * 1024 * 1024 + 1), content_type="application/json")

    assert (response.status_code, response.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_unknown_tier_and_tier_of_another_event_are_not_found(api):
    tier, other = make_tier(), make_tier()

    assert refused(api, wish(tier, tierId=str(uuid.uuid4()))) == (404, "TIER_NOT_FOUND")
    assert refused(api, wish(tier, tierId=str(other.pk))) == (404, "TIER_NOT_FOUND")


@pytest.mark.parametrize("status", ["draft", "cancelled", "completed", "deleted"])
def test_event_that_is_not_active_does_not_sell(api, status):
    assert refused(api, wish(make_tier(make_event(status=status)))) == (400, "EVENT_NOT_ACTIVE")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"is_active": False}, "TIER_NOT_ACTIVE"),
        ({"sale_starts_at": timedelta(minutes=1)}, "SALE_NOT_STARTED"),
        ({"sale_ends_at": timedelta(minutes=-1)}, "SALE_ENDED"),
        ({"quantity": 5, "sold": 4}, "SOLD_OUT"),
        ({"quantity": 0}, "SOLD_OUT"),
    ],
    ids=str,
)
def test_tier_that_is_not_on_sale_is_refused(api, change, code):
    moments = {key: timezone.now() + value for key, value in change.items() if isinstance(value, timedelta)}

    assert refused(api, wish(make_tier(**{**change, **moments}))) == (400, code)


def test_night_that_is_over_does_not_sell(api):
    event = make_event(event_date=timezone.localdate() - timedelta(days=2))

    assert refused(api, wish(make_tier(event))) == (400, "SALE_ENDED")


def test_sold_out_is_answered_without_the_lock(api, monkeypatch):
    tier = make_tier(quantity=0)
    monkeypatch.setattr(checkout, "take", lambda *args, **kwargs: pytest.fail("the lock was taken"))

    assert refused(api, wish(tier)) == (400, "SOLD_OUT")


@pytest.mark.django_db(transaction=True)
def test_order_number_is_drawn_again_on_collision(api, monkeypatch):
    tier = make_tier()
    taken = make_order(tier).order_number
    numbers = iter([taken, taken, "HP261123-FRESH000"])
    monkeypatch.setattr(checkout, "new_order_number", lambda now: next(numbers))

    answer = api.post("/api/orders", wish(tier)).json()

    assert answer["order"]["orderNumber"] == "HP261123-FRESH000"
    assert TicketTier.objects.get().sold == 1 + 2


def test_other_constraint_is_not_retried(db, monkeypatch):
    tier = make_tier()
    calls = []

    def fail(*args, **kwargs):
        calls.append(args)
        raise IntegrityError("another rule")

    monkeypatch.setattr(checkout, "_sell", fail)
    with pytest.raises(IntegrityError):
        checkout.place_order(event_id=tier.event_id, tier_id=tier.pk, quantity=1, buyer_name="A", buyer_email="a@b.co")
    assert len(calls) == 1


def test_look_up_masks_the_guest(api):
    order = make_order(buyer_name="Lucía Pérez", buyer_phone="+502 5555 1234", buyer_country="Guatemala")

    answer = api.get(f"/api/orders/{order.order_number}").json()

    shown = answer["order"]
    assert (set(answer), set(shown)) == ({"success", "order"}, ORDER_KEYS)
    assert (shown["buyerName"], shown["buyerEmail"]) == ("L*** P***", "l***@e***.com")
    assert (shown["buyerPhone"], shown["buyerCountry"]) == ("***", "***")
    assert (shown["status"], shown["totalPrice"]) == ("pending", 25.5)


def test_look_up_shows_all_to_the_owner(api):
    order = make_order(buyer_phone=None)

    shown = api.get(f"/api/orders/{order.order_number.lower()}?email=LUCIA@example.com").json()["order"]

    assert (shown["buyerName"], shown["buyerEmail"]) == ("Lucía Pérez", "lucia@example.com")


def test_token_of_the_order_proves_ownership(api):
    order = make_order()

    shown = api.get(f"/api/orders/{order.order_number}", {"token": links.token_of(order)}).json()["order"]

    assert shown["buyerName"] == "Lucía Pérez"


def test_token_of_another_order_proves_nothing(api):
    order = make_order()

    shown = api.get(f"/api/orders/{order.order_number}", {"token": links.token_of(make_order())}).json()["order"]

    assert shown["buyerName"] == "L*** P***"


def test_own_payment_page_is_for_the_owner_while_the_order_waits(api):
    order = make_order(make_tier(payment_link="https://pay.example/all"), checkout_url="https://pay.example/only-me")
    path, token = f"/api/orders/{order.order_number}", {"token": links.token_of(order)}

    def link(query):
        return api.get(path, query).json()["order"]["paymentLink"]

    assert (link(token), link({})) == ("https://pay.example/only-me", "https://pay.example/all")
    Order.objects.update(status="cancelled")
    assert link(token) == "https://pay.example/all"


@pytest.mark.parametrize("email", ["", "other@example.com", "%"])
def test_wrong_address_proves_nothing(api, email):
    order = make_order()

    shown = api.get(f"/api/orders/{order.order_number}", {"email": email}).json()["order"]

    assert shown["buyerName"] == "L*** P***"


@pytest.mark.rate_limits
def test_guessing_the_address_is_limited(api, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "order_misses": (3, 900)}
    path = f"/api/orders/{make_order().order_number}"

    guesses = [api.get(path, {"email": f"guess{n}@example.com"}).status_code for n in range(5)]

    # A look-up is counted ahead in case it finds nothing, and given back: the last guess finds that one in its way.
    assert guesses == [200, 200, 429, 429, 429]


@pytest.mark.parametrize("number", ["HP261123-NOTHING0", "0", "-1", str(2**63), "abc", "'; DROP TABLE orders; --"])
def test_unknown_number_is_not_found(api, number):
    response = api.get(f"/api/orders/{number}")

    assert (response.status_code, response.json()["code"]) == (404, "ORDER_NOT_FOUND")
