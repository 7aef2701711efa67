"""What the last search of `manage.py forget` finds in rows of others, which stay, and what it says it did."""

import json

import pytest

from homeproductions.privacy import remains
from homeproductions.traces import Traces
from newsletter.services import subscribe
from orders.models import WebhookDelivery
from tests.factories import make_order

from .test_forget import forget

EMAIL = "zebulon@example.org"
NAME = "Zebulón Pfeffer"
PHONE = "+502 4422 7788"
OF_OTHERS = {"status": "cancelled", "buyer_email": "berta@example.org", "buyer_name": "Berta Morales"}


def make_person(**buyer):
    return make_order(status="cancelled", **{"buyer_email": EMAIL, "buyer_name": NAME, "buyer_phone": PHONE, **buyer})


def places(said):
    return [line for line in said.splitlines() if line.startswith("- ")]


def store(body):
    WebhookDelivery.objects.create(provider="recurrente", event_id="of Berta", body=body)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"customer": {"full_name": NAME}}).encode(),
        json.dumps({"customer": {"full_name": "ZEBULÓN  PFEFFER"}}, ensure_ascii=False).encode(),
        json.dumps({"customer": {"full_name": "zebulo\u0301n pfeffer"}}).encode(),
        json.dumps({"customer": {"full_name": "Zebulon Pfeffer"}}).encode(),
        json.dumps({"customer": {"first_name": "Zebulón", "last_name": "Pfeffer"}}).encode(),
        json.dumps({"note": json.dumps({"name": NAME})}).encode(),
        json.dumps({"full_name": NAME}).encode()[:-2],
        json.dumps({"phone": "+50244227788"}).encode(),
        json.dumps({"phone": 50244227788}).encode(),
        json.dumps({"phone": "(502)\u00a04422-7788"}).encode(),
        json.dumps({"email": EMAIL.upper()}).encode().replace(b"@", b"\\u0040"),
    ],
)
def test_person_is_found_in_a_notice_however_it_is_written(db, body):
    store(body)

    found = remains.find(Traces.of(emails=[EMAIL], names=[NAME], phones=[PHONE]))

    assert found == ["webhook_deliveries.body: 1 row"]


def test_notice_of_somebody_else_is_named_and_stays(db):
    make_person()
    body = json.dumps({"customer": {"full_name": NAME, "phone": "+50244227788"}}).encode()
    store(body)

    assert places(forget(EMAIL)) == ["- webhook_deliveries.body: 1 row"]
    assert bytes(WebhookDelivery.objects.get().body) == body


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("buyer_phone", "50244227788"),
        ("buyer_name", "ZEBULON PFEFFER"),
        ("referral_source", "ask Zebulon Pfeffer"),
        ("referral_source", "call (502) 4422-7788"),
    ],
)
def test_order_of_somebody_else_is_named_and_stays(db, column, text):
    make_person()
    other = make_order(**{**OF_OTHERS, column: text})

    assert places(forget(EMAIL)) == [f"- orders.{column}: 1 row"]
    other.refresh_from_db()
    assert getattr(other, column) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [("Weiß Straßer", "WEISS STRASSER"), ("Weiss Strasser", "Weiß Straßer"), ("Юлия Жданова", "ЮЛИЯ ЖДАНОВА")],
)
def test_other_alphabets(db, name, text):
    traces = Traces.of(emails=[], names=[name], phones=[])
    store(json.dumps({"name": text}).encode())
    make_order(**{**OF_OTHERS, "buyer_name": text})

    assert remains.find(traces) == ["orders.buyer_name: 1 row", "webhook_deliveries.body: 1 row"]


def test_who_only_looks_alike_is_not_named(db):
    make_person()
    make_order(
        **{**OF_OTHERS, "buyer_email": "not." + EMAIL, "buyer_name": "Zebulona Pfeffer", "buyer_phone": "44227788"}
    )
    store(json.dumps({"name": "Zebulón", "other": ["Ana", "Pfeffer"], "phone": "1502442277889"}).encode())

    assert places(forget(EMAIL)) == []


# --- What it says it searched for --------------------------------------------------------------------------------


SEARCH = "A search of the whole database finds"


def test_second_run_says_that_it_knows_the_address_only(db):
    make_person()

    assert f"{SEARCH} neither address, name nor telephone.\n" in forget(EMAIL)
    make_order(**{**OF_OTHERS, "buyer_name": NAME})
    assert f"{SEARCH} the address nowhere; names and telephone numbers are no longer known.\n" in forget(EMAIL)


def test_second_run_that_finds_the_address_says_so_too(db):
    make_person()
    forget(EMAIL)
    make_order(**OF_OTHERS, referral_source=f"friend {EMAIL}")

    again = forget(EMAIL)

    assert places(again) == ["- orders.referral_source: 1 row"]
    assert "Only what is known was searched for; names and telephone numbers are no longer known." in again


def test_what_was_never_known_is_not_said_to_be_searched_for(db):
    subscribe(email=EMAIL)

    assert f"{SEARCH} the address nowhere; names and telephone numbers to search for are not known." in forget(EMAIL)
    make_person(buyer_phone=None)
    assert f"{SEARCH} neither address nor name; telephone numbers to search for are not known." in forget(EMAIL)
