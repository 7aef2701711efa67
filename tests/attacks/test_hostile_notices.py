"""Notices that a provider signed and that make no sense, or too much: whoever has its key, or a fault of its own, gets
no order paid that was not, and every one is answered."""

import itertools
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from orders.models import Order, Payment, WebhookDelivery
from orders.services import payments
from tests import provider_bodies as bodies
from tests.factories import make_order
from tests.lengths import length
from tests.signing import new_secret, paid_body

from .test_signatures import standard_headers

SECRET, STRIPE = new_secret(), "whsec_stripe_takes_the_text_itself"
# What pays an order, where it goes, and what says how much and of what.
SHAPES = {
    "standard": (paid_body, "/api/webhook/payment", "amount_in_cents"),
    "recurrente": (bodies.recurrente, "/api/webhook/recurrente", "amount_in_cents"),
    "help centre": (bodies.recurrente_help_centre, "/api/webhook/recurrente", "amount"),
    "stripe session": (bodies.stripe_session, "/api/webhook/payment", "amount_total"),
    "stripe intent": (bodies.stripe_intent, "/api/webhook/payment", "amount_received"),
}
REFUNDS = {
    "recurrente refund": (bodies.recurrente_refund, "/api/webhook/recurrente"),
    "recurrente dispute": (bodies.recurrente_dispute, "/api/webhook/recurrente"),
    "stripe refund": (lambda order: bodies.stripe_refund(order, 5100), "/api/webhook/payment"),
    "stripe total": (lambda order: bodies.stripe_charge_refunded(order, 5100), "/api/webhook/payment"),
    "stripe dispute": (bodies.stripe_dispute, "/api/webhook/payment"),
}
HOSTILE_VALUES = [
    None,
    True,
    False,
    0,
    -1,
    10**400,
    2**63,
    -(2**63) - 1,
    1.5,
    1e308,
    "",
    "x" * 100_000,
    "\x00",
    "\ud800",
    "a\u202eb\u2028",
    "5100",
    "' OR 1=1 --",
    [],
    [[]],
    {},
    {"id": {"id": []}},
    [None, 1, "a", {}],
]


@pytest.fixture(autouse=True)
def the_providers(settings):
    settings.PAYMENT_WEBHOOK_SECRETS = settings.RECURRENTE_WEBHOOK_SECRETS = [SECRET]
    settings.STRIPE_WEBHOOK_SECRETS = [STRIPE]


@pytest.fixture
def order(db):
    return make_order(status="pending", quantity=2)


@pytest.fixture
def deliver(api):
    def send(body: bytes, path: str, *, is_stripe: bool = False) -> Any:
        signed = {"Stripe-Signature": bodies.stripe_signature(STRIPE, body)} if is_stripe else by_hand(body)
        return api.post(path, body, headers=signed)

    return send


def by_hand(body: bytes) -> dict[str, str]:
    """The library signs only text."""
    return standard_headers("svix")(SECRET, body, f"msg_{time.monotonic_ns()}", datetime.now(UTC))


def is_stripe(shape: str) -> bool:
    return shape.startswith("stripe")


def named(order: Order, shape: str) -> dict[str, Any]:
    """An intent of Stripe says only when asked for which order it is."""
    return {"metadata": {"order_id": order.order_number}} if shape == "stripe intent" else {}


def places(content: Any, path: tuple = ()) -> Iterator[tuple]:
    """The way to each value of a JSON text, objects included."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def with_value(content: Any, path: tuple, value: Any) -> Any:
    copy = json.loads(json.dumps(content))
    here = copy
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = value
    return copy


@pytest.mark.parametrize("shape", SHAPES)
def test_no_wrong_value_anywhere_is_our_fault_or_pays_wrongly(deliver, order, shape):
    """Each value of the notice in turn is replaced by each hostile one."""
    make, path, _ = SHAPES[shape]
    content = json.loads(make(order))
    ways = list(places(content))
    tried = list(itertools.product(ways, HOSTILE_VALUES))[:: length(3, 1)]

    for way, value in tried:
        body = json.dumps(with_value(content, way, value)).encode()
        answer = deliver(body, path, is_stripe=is_stripe(shape))
        assert (answer.status_code, answer.json()["received"]) == (200, True), (way, value)
        order.refresh_from_db()
        if order.status == "paid":
            # What was replaced was not what the money is told by.
            assert Payment.objects.get(order=order, needs_review="").amount_minor == 5100, (way, value)
            assert Payment.objects.get(order=order, needs_review="").currency == "USD", (way, value)
            order = make_order(quantity=2)
            content = json.loads(make(order))
    assert not WebhookDelivery.objects.filter(status__in=("failed", "received")).exists()
    assert len(tried) > 50


@pytest.mark.parametrize("shape", REFUNDS)
def test_no_wrong_value_in_money_that_went_back_is_our_fault(deliver, db, shape):
    make, path = REFUNDS[shape]
    order = make_order(status="paid", quantity=2)
    content = json.loads(make(order))

    for way, value in list(itertools.product(places(content), HOSTILE_VALUES))[:: length(3, 1)]:
        body = json.dumps(with_value(content, way, value)).encode()
        answer = deliver(body, path, is_stripe=is_stripe(shape))
        assert (answer.status_code, answer.json()["received"]) == (200, True), (way, value)
    assert not WebhookDelivery.objects.filter(status__in=("failed", "received")).exists()
    # No charge of this order is known, so nothing of it can have been taken back.
    order.refresh_from_db()
    assert order.status == "paid"


# --- Amounts and currencies -------------------------------------------------------------------------------------------

AMOUNTS = ["-5100", "0", "-0", "5099", "5101", "51", "51.00", "5100.0", "5.1e3", "5100e0", '"5100"', '" 5100 "', "true"]
AMOUNTS += ["null", "[5100]", '{"amount": 5100}', str(5100 + 2**64), str(5100 + 2**32), "9" * 4000, "1e400", "-1e400"]
CURRENCIES = ["GTQ", "XXX", "USDC", "US", "USD ", "U\u0405D", "$", "840", "", "usd\u0000", "U\uff33D"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("amount", AMOUNTS, ids=lambda text: text[:12])
def test_amount_that_is_not_the_price_pays_nothing(deliver, order, shape, amount):
    make, path, field = SHAPES[shape]
    fields = {field: "AMOUNT"} if shape != "stripe intent" else {field: "AMOUNT", "amount": "AMOUNT"}
    body = make(order, **fields, **named(order, shape)).replace(b'"AMOUNT"', amount.encode())

    answer = deliver(body, path, is_stripe=is_stripe(shape))

    order.refresh_from_db()
    assert (answer.status_code, order.status) == (200, "pending")
    assert not Payment.objects.filter(needs_review="").exists()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("currency", CURRENCIES, ids=ascii)
def test_other_currency_pays_nothing(deliver, order, shape, currency):
    make, path, _ = SHAPES[shape]

    answer = deliver(make(order, currency=currency, **named(order, shape)), path, is_stripe=is_stripe(shape))

    order.refresh_from_db()
    is_blank = currency.strip() == "USD"  # a blank around a code is no other currency
    assert (answer.status_code, order.status) == (200, "paid" if is_blank else "pending")
    assert Payment.objects.filter(needs_review="").exists() == is_blank


@pytest.mark.parametrize("shape", SHAPES)
def test_control_the_price_in_lower_case_dollars_pays(deliver, order, shape):
    make, path, _ = SHAPES[shape]

    deliver(make(order, currency="usd", **named(order, shape)), path, is_stripe=is_stripe(shape))

    order.refresh_from_db()
    assert order.status == "paid"


def test_control_money_that_nobody_compares_is_noticed(deliver, order, monkeypatch):
    """With the comparison taken away, the wrong amounts above would pay."""
    monkeypatch.setattr(payments, "is_exact", lambda *_: True)

    deliver(paid_body(order, amount_in_cents=1), "/api/webhook/payment")

    order.refresh_from_db()
    assert order.status == "paid"


def test_money_of_another_order_pays_that_one_once_and_this_one_never(deliver, order):
    other = make_order(quantity=2)
    body = paid_body(other, id="pay_1")

    deliver(body, "/api/webhook/payment")
    deliver(paid_body(order, id="pay_1"), "/api/webhook/payment")

    order.refresh_from_db()
    other.refresh_from_db()
    assert (order.status, other.status) == ("pending", "paid")
    assert Payment.objects.get(order=order).needs_review == "double_payment"


# --- Bodies -----------------------------------------------------------------------------------------------------------

DEEP = 10_000
BODIES = {
    "nothing": b"",
    "blank": b" \n ",
    "not JSON": b"nonsense",
    "cut": b'{"status": "paid", "order_id":',
    "two values": b"{} {}",
    "NaN": b'{"status": "paid", "amount_in_cents": NaN}',
    "Infinity": b'{"status": "paid", "amount_in_cents": -Infinity}',
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep inside": b'{"status": "paid", "data": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "many keys": json.dumps({f"key{number}": number for number in range(10_000)}).encode(),
    "huge number": b'{"status": "paid", "amount_in_cents": ' + b"9" * 200_000 + b"}",
    "huge exponent": b'{"status": "paid", "amount_in_cents": 1e999999999}',
    "NUL": b'{"status": "paid", "order_id": "\\u0000"}',
    "raw NUL": b'{"status": "paid", "order_id": "\x00"}',
    "lone surrogate": b'{"status": "paid", "order_id": "\\ud800"}',
    "surrogates the wrong way round": b'{"status": "paid", "\\udc00\\ud800": 1}',
    "not UTF-8": b'{"status": "\xff\xfe"}',
    "UTF-16": '{"status": "paid"}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "list": b'[{"status": "paid"}]',
    "number": b"5100",
    "text": b'"paid"',
    "null": b"null",
    "prototype": b'{"__proto__": {"status": "paid"}, "constructor": {"prototype": {}}}',
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "form": b"status=paid&order_id=1",
}


# The standard signs text; what is none has no signature.
NO_TEXT = ("not UTF-8", "UTF-16")


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("kind", ["standard", "stripe"])
def test_signed_nonsense_is_kept_and_moves_nothing(deliver, order, name, kind):
    body = BODIES[name]

    answer = deliver(body, "/api/webhook/payment", is_stripe=kind == "stripe")

    order.refresh_from_db()
    assert order.status == "pending"
    if not body:
        assert answer.status_code in (200, 411)
        return
    if kind == "standard" and name in NO_TEXT:
        assert (answer.status_code, WebhookDelivery.objects.count()) == (401, 0)
        return
    assert (answer.status_code, answer.json()["received"]) == (200, True)
    assert bytes(WebhookDelivery.objects.get().body) == body
    assert not Payment.objects.filter(needs_review="").exists()


@pytest.mark.parametrize("size", [256 * 1024 + 1, 1024 * 1024])
def test_megabyte_is_refused(deliver, order, size):
    answer = deliver(paid_body(order, note="x" * size), "/api/webhook/payment")

    assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert not WebhookDelivery.objects.exists()


def test_of_two_keys_of_one_name_the_last_counts_and_is_compared(deliver, order):
    """A parser in front that takes the first would see another amount: then the money must still be the price."""
    body = paid_body(order)
    small_last = body.replace(b'"currency"', b'"amount_in_cents": 1, "currency"')
    twice = body.replace(b'"metadata"', b'"metadata": {"order_id": "HP000000-NOTHING0"}, "metadata"')

    deliver(small_last, "/api/webhook/payment")
    order.refresh_from_db()
    assert order.status == "pending"
    deliver(twice.replace(b"pay_", b"pay2_"), "/api/webhook/payment")
    order.refresh_from_db()
    assert order.status == "paid"
