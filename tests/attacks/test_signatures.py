"""Notices that nobody signed, or not so: for each way in which a provider signs, none of them does anything."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from audit.models import AuditLog
from homeproductions.mail.models import OutboxEmail
from orders.models import JournalEntry, Payment, WebhookDelivery
from orders.providers import standard, stripe
from tests import provider_bodies as bodies
from tests.factories import make_order
from tests.signing import new_secret, paid_body

COMMON, RECURRENTE, STRIPE = new_secret(), new_secret(), "whsec_stripe_takes_the_text_itself"
NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
TOO_FAR, JUST = 301, 299  # seconds
Headers = dict[str, str]


@dataclass(frozen=True)
class Way:
    """One way to sign: where it goes, what pays an order, and the headers for (secret, body, id, time)."""

    path: str
    secret: str
    body: Callable[..., bytes]
    sign: Callable[[str, bytes, str, datetime], Headers]
    header: str


def standard_headers(prefix: str) -> Callable[[str, bytes, str, datetime], Headers]:
    """By hand, as the standard has it: a fault in the library would sign and verify alike."""

    def sign(secret: str, body: bytes, event_id: str, at: datetime) -> Headers:
        moment = str(int(at.timestamp()))
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{event_id}.{moment}.".encode() + body
        signature = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        return {f"{prefix}-id": event_id, f"{prefix}-timestamp": moment, f"{prefix}-signature": signature}

    return sign


def stripe_headers(secret: str, body: bytes, event_id: str, at: datetime) -> Headers:
    return {"stripe-signature": bodies.stripe_signature(secret, body, at=at.timestamp())}


PAYMENT, SHORT = "/api/webhook/payment", "/api/webhook/recurrente"
WAYS = {
    "standard": Way(PAYMENT, COMMON, paid_body, standard_headers("webhook"), "webhook-signature"),
    "svix": Way(PAYMENT, RECURRENTE, bodies.recurrente, standard_headers("svix"), "svix-signature"),
    "recurrente": Way(SHORT, RECURRENTE, bodies.recurrente, standard_headers("svix"), "svix-signature"),
    "recurrente, standard names": Way(
        SHORT, RECURRENTE, bodies.recurrente, standard_headers("webhook"), "webhook-signature"
    ),
    "stripe": Way(PAYMENT, STRIPE, bodies.stripe_session, stripe_headers, "stripe-signature"),
}


@pytest.fixture(autouse=True)
def the_providers(settings) -> Iterator[None]:
    settings.PAYMENT_WEBHOOK_SECRETS = [COMMON]
    settings.RECURRENTE_WEBHOOK_SECRETS = [RECURRENTE]
    settings.STRIPE_WEBHOOK_SECRETS = [STRIPE]
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def order(db):
    return make_order(status="pending", quantity=2)


@pytest.fixture(params=WAYS, ids=str)
def way(request) -> Way:
    return WAYS[request.param]


def attacks(way: Way, body: bytes) -> Iterator[tuple[str, Headers, bytes]]:
    """What is sent, under the attack's name: headers and body."""
    good = way.sign(way.secret, body, "msg_1", NOW)
    value, name = good[way.header], way.header
    yield "none", {key: text for key, text in good.items() if key != name}, body
    yield "no headers at all", {}, body
    yield "empty", {**good, name: ""}, body
    yield "blank", {**good, name: "  "}, body
    yield "no comma", {**good, name: value.replace(",", "")}, body
    yield "only commas", {**good, name: ",,,,"}, body
    yield "several, none of them ours", {**good, name: " ".join(wrong_value(way, body) for _ in range(50))}, body
    yield "bad base64", {**good, name: re_signed(value, "%%%%")}, body
    yield "cut short", {**good, name: value[:-4]}, body
    yield "no such version", {**good, name: value.replace("v1", "v9")}, body
    yield "its version alone", {**good, name: value.partition("v1")[0] + "v1"}, body
    yield "not ASCII", {**good, name: re_signed(value, "ñandú€")}, body
    yield "bytes that are no text", {**good, name: re_signed(value, "\xff\xfe\x80")}, body
    yield "very long", {**good, name: re_signed(value, "A" * 7000)}, body
    yield "changed body", good, body.replace(b"51", b"52").replace(b'"', b' "', 1)
    yield "body with a blank more", good, body + b" "
    yield "body that is no text", good, b"\xff\xfe" + body
    yield "no body", good, b"{}"
    yield "other key", way.sign(new_secret(), body, "msg_1", NOW), body
    yield "key of another provider", way.sign(other_secret(way), body, "msg_1", NOW), body
    yield "empty key", way.sign("", body, "msg_1", NOW), body
    yield "too old", way.sign(way.secret, body, "msg_1", NOW - timedelta(seconds=TOO_FAR)), body
    yield "too new", way.sign(way.secret, body, "msg_1", NOW + timedelta(seconds=TOO_FAR)), body
    yield "old header of the old server", {"x-signature": value}, body
    if way.header == "stripe-signature":
        yield from of_stripe(value, body)
    else:
        yield from of_the_standard(way, good, body)


def of_the_standard(way: Way, good: Headers, body: bytes) -> Iterator[tuple[str, Headers, bytes]]:
    prefix = way.header.removesuffix("-signature")
    stamp = f"{prefix}-timestamp"
    yield "two commas", {**good, way.header: good[way.header].replace(",", ",,")}, body
    yield "other id", {**good, f"{prefix}-id": "msg_2"}, body
    yield "no id", {key: text for key, text in good.items() if not key.endswith("-id")}, body
    yield "no time", {key: text for key, text in good.items() if key != stamp}, body
    for moment in ("never", "NaN", "Infinity", "-1", "1e400", "9" * 400, "٣", "0x10"):
        yield f"time {moment[:9]}", {**good, stamp: moment}, body
    later = str(int(good[stamp]) + 1)
    yield "other time", {**good, stamp: later}, body
    yield "id and time run together", {**good, f"{prefix}-id": f"msg_1.{good[stamp]}", stamp: later}, body


def of_stripe(value: str, body: bytes) -> Iterator[tuple[str, Headers, bytes]]:
    moment, _, signature = value.partition(",")
    yield "no time", {"stripe-signature": signature}, body
    # Two commas in a row are nothing in a list of this kind; a signature with commas in it is none.
    yield "two commas", {"stripe-signature": value.replace("v1=", "v1=,,")[:-4]}, body
    yield "two times", {"stripe-signature": f"{moment},t=1,{signature}"}, body
    for wrong in ("never", "NaN", "-1", "1e9", "9" * 400, "٣"):
        yield f"time {wrong[:9]}", {"stripe-signature": f"t={wrong},{signature}"}, body
    yield "other time", {"stripe-signature": f"t={int(moment[2:]) + 1},{signature}"}, body
    yield "without names", {"stripe-signature": f"{moment[2:]},{signature[3:]}"}, body


def wrong_value(way: Way, body: bytes) -> str:
    return way.sign(new_secret(), body, "msg_1", NOW)[way.header]


def other_secret(way: Way) -> str:
    return {COMMON: STRIPE, STRIPE: COMMON}.get(way.secret, STRIPE)


def re_signed(value: str, text: str) -> str:
    """The value with this in place of the signature proper."""
    separator = "v1=" if "v1=" in value else "v1,"
    return value.partition(separator)[0] + separator + text


NAMES = sorted(
    {(key, name) for key, way in WAYS.items() for name, _, _ in attacks(way, b'{"a": 51}')},
)


def everything() -> list[int]:
    return [model.objects.count() for model in (WebhookDelivery, Payment, OutboxEmail, JournalEntry, AuditLog)]


@pytest.mark.parametrize(("key", "name"), NAMES, ids=lambda each: each)
def test_attack_on_a_signature_changes_nothing(api, order, key, name):
    way = WAYS[key]
    headers, body = next((headers, body) for each, headers, body in attacks(way, way.body(order)) if each == name)
    before = everything()

    answer = api.post(way.path, body, headers=headers)

    order.refresh_from_db()
    assert (answer.status_code, answer.json()["code"]) == (401, "INVALID_SIGNATURE")
    assert set(answer.json()) == {"success", "error", "code"}
    assert (order.status, everything()) == ("pending", before)


def test_control_what_is_signed_rightly_pays(api, order, way):
    body = way.body(order)

    answer = api.post(way.path, body, headers=way.sign(way.secret, body, "msg_1", NOW))

    order.refresh_from_db()
    assert (answer.status_code, order.status) == (200, "paid")


@pytest.mark.parametrize("seconds", [-JUST, JUST])
def test_control_clocks_may_differ_by_almost_five_minutes(api, order, way, seconds):
    body = way.body(order)

    api.post(way.path, body, headers=way.sign(way.secret, body, "msg_1", NOW + timedelta(seconds=seconds)))

    order.refresh_from_db()
    assert order.status == "paid"


def test_good_signature_among_bad_ones_counts(api, order, way):
    """The list exists for the days when a key is changed: the provider signs with both."""
    body = way.body(order)
    good = way.sign(way.secret, body, "msg_1", NOW)
    separator = "," if way.header == "stripe-signature" else " "
    wrong = wrong_value(way, body).partition(",")[2] if separator == "," else wrong_value(way, body)

    api.post(way.path, body, headers={**good, way.header: f"{good[way.header]}{separator}{wrong}"})

    order.refresh_from_db()
    assert order.status == "paid"


def test_removed_key_signs_nothing_any_more(api, order, way, settings):
    body = way.body(order)
    headers = way.sign(way.secret, body, "msg_1", NOW)
    for name in ("PAYMENT_WEBHOOK_SECRETS", "RECURRENTE_WEBHOOK_SECRETS", "STRIPE_WEBHOOK_SECRETS"):
        setattr(settings, name, [secrets.token_hex(16) if "STRIPE" in name else new_secret()])

    answer = api.post(way.path, body, headers=headers)

    order.refresh_from_db()
    assert (answer.status_code, order.status, everything()[:2]) == (401, "pending", [0, 0])


def test_recorded_notice_cannot_be_used_for_another_order(api, order, way):
    """A thief has one good notice and its headers, and swaps the order in it."""
    body, other = way.body(order), make_order(quantity=2)
    swapped = body.replace(order.order_number.encode(), other.order_number.encode())

    answer = api.post(way.path, swapped, headers=way.sign(way.secret, body, "msg_1", NOW))

    other.refresh_from_db()
    assert (answer.status_code, other.status, swapped != body) == (401, "pending", True)


@pytest.mark.parametrize("key", ["standard", "svix", "stripe"])
def test_control_check_that_is_taken_away_is_noticed(api, order, monkeypatch, key):
    """Without it every attack here would pay the order."""
    way = WAYS[key]
    monkeypatch.setattr(standard, "_fits", lambda *_: True)
    monkeypatch.setattr(stripe.hmac, "compare_digest", lambda *_: True)

    body = way.body(order)
    api.post(way.path, body, headers=way.sign(new_secret(), body, "msg_1", NOW))

    order.refresh_from_db()
    assert order.status == "paid"
