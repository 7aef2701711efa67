"""A stored notice without the person in it still says the same about the money."""

import json
import re

import pytest

from homeproductions.traces import Traces
from orders.providers.bare import bare, means_the_same
from tests import provider_bodies as bodies
from tests.factories import make_order
from tests.signing import paid_body

PERSON = {
    "name": "Lucía Pérez",
    "email": "lucia@example.com",
    "phone": "+502 4987 6543",
    "address": {"line1": "5a Avenida"},
}
TEXTS = ["Luc", "rez", "lucia", "4987", "Avenida", "visa", "4242"]

BODIES = {
    "contract": ("webhook", lambda order: paid_body(order, customer=PERSON)),
    "recurrente": ("recurrente", lambda order: bodies.recurrente(order, customer=PERSON)),
    "recurrente intent": ("recurrente", lambda order: bodies.recurrente(order, "intent.succeeded")),
    "recurrente pending": ("recurrente", lambda order: bodies.recurrente(order, "bank_transfer_intent.pending")),
    "recurrente help": ("recurrente", lambda order: bodies.recurrente_help_centre(order, customer=PERSON)),
    "recurrente refund": ("recurrente", lambda order: bodies.recurrente_refund(order, customer=PERSON)),
    "recurrente dispute": ("recurrente", bodies.recurrente_dispute),
    "number in the address field": (
        "recurrente",
        lambda order: bodies.recurrente_help_centre(order, metadata={}, customer_email=order.order_number),
    ),
    "stripe session": ("stripe", lambda order: bodies.stripe_session(order, customer_details=PERSON)),
    "stripe intent": ("stripe", lambda order: bodies.stripe_intent(order, receipt_email=PERSON["email"])),
    "stripe refund": ("stripe", lambda order: bodies.stripe_refund(order, 100)),
    "stripe refunds": (
        "stripe",
        lambda order: bodies.stripe_charge_refunded(
            order, 100, billing_details=PERSON, refunds={"data": [{"id": "re_1", "amount": 100, "status": "succeeded"}]}
        ),
    ),
    "stripe dispute": ("stripe", lambda order: bodies.stripe_dispute(order, evidence=PERSON)),
}


@pytest.mark.parametrize("name", BODIES)
def test_bare_notice_means_the_same_and_names_nobody(db, name):
    provider, make = BODIES[name]
    body = make(make_order(buyer_email=PERSON["email"], buyer_name=PERSON["name"]))

    left = bare(body, Traces())

    assert means_the_same(provider, body, left)
    assert [each for each in TEXTS if each in json.dumps(json.loads(left), ensure_ascii=False)] == []


def test_another_sum_would_not_mean_the_same(db):
    order = make_order()

    assert not means_the_same("stripe", bodies.stripe_refund(order, 100), bodies.stripe_refund(order, 101))


def test_what_is_no_json_leaves_nothing():
    assert bare(b"Lucia \xff paid", Traces()) == b""


@pytest.mark.parametrize("name", BODIES)
def test_notice_means_the_same_whatever_its_guest_is_called(db, name):
    provider, make = BODIES[name]
    body = make(make_order())
    words = set(re.findall(r"[A-Za-z_]{6,}", body.decode()))
    traces = Traces.of(emails=[], names=words, phones=re.findall(r"\d{6,}", body.decode()))
    assert traces.are_in(body.decode())

    assert means_the_same(provider, body, bare(body, traces))


def test_keys_states_and_sums_stay_as_they_are():
    content = {"payment": {"id": "pa_12345678"}, "status": "payment", "currency": "payment", "amount": "12345678"}
    traces = Traces.of(emails=[], names=["payment", "status"], phones=["12345678"])

    assert json.loads(bare(json.dumps(content).encode(), traces)) == content


def test_person_is_taken_out_of_kept_names_too():
    traces = Traces.of(emails=["lucia@example.com"], names=[], phones=["49876543"])

    assert json.loads(bare(b'{"id": "lucia@example.com", "reference": "49876543", "status": "paid"}', traces)) == {
        "reference": "(forgotten)",
        "status": "paid",
    }
