import hashlib
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import AuditLog
from events.models import Event
from events.queries import look
from homeproductions.errors import Refused
from orders import codes
from orders.models import CheckIn, Order, RefusedScan
from orders.services import checkin
from tests.factories import bearer, make_event, make_order, make_tier, make_user

ORDER_KEYS = {
    "id",
    "order_number",
    "orderNumber",
    "buyer_name",
    "buyerName",
    "buyer_email",
    "buyerEmail",
    "event_name",
    "eventName",
    "event_date",
    "tier_name",
    "tierName",
    "quantity",
    "status",
    "checked_in",
    "checkedIn",
    "checked_in_at",
    "checkedInAt",
}


@pytest.fixture
def order(db):
    return make_order(status="paid", quantity=3)


@pytest.fixture
def door(api):
    user = make_user("staff")

    def scan(body, **headers):
        return api.post("/api/checkin", body, headers={**bearer(user), "User-Agent": "Phone" * 200, **headers})

    scan.user = user
    return scan


def code_of(order):
    return codes.code_for(order.pk, order.code_version)


def test_checkin_admits_all_people_of_the_order(door, order):
    response = door({"order_number": order.order_number})

    answer = response.json()
    assert (response.status_code, set(answer)) == (200, {"success", "message", "ticket", "order"})
    assert answer["ticket"] == {
        "id": order.order_number,
        "name": "Lucía Pérez",
        "tier": "General",
        "event": order.event.name,
        "quantity": 3,
    }
    assert set(answer["order"]) == ORDER_KEYS
    assert (answer["order"]["checked_in"], answer["order"]["status"]) == (True, "paid")
    checkin = CheckIn.objects.get()
    assert (checkin.admitted, checkin.checked_in_by, len(checkin.device_info)) == (3, door.user, 255)
    assert AuditLog.objects.get(action="CHECKIN").user == door.user


SPELLINGS = {
    "code": lambda order: {"qr_code": code_of(order)},
    "code in small letters": lambda order: {"qrCode": code_of(order).lower()},
    "order_id": lambda order: {"order_id": order.order_number.lower()},
    "orderNumber": lambda order: {"orderNumber": f" {order.order_number} "},
    "id": lambda order: {"order_id": str(order.pk)},
    "payload": lambda order: {"qr_code": json.dumps({"id": order.order_number, "qr": code_of(order)})},
    "payload typed in capitals": lambda order: {
        "order_number": json.dumps({"id": order.order_number, "qr": code_of(order)}).upper()
    },
    "payload without a code": lambda order: {"order_number": json.dumps({"id": order.order_number})},
    "old payload with the number as code": lambda order: {"qr_code": json.dumps({"qr": order.order_number})},
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_ticket_is_known_in_every_spelling(door, order, spelling):
    assert door(SPELLINGS[spelling](order)).status_code == 200
    assert CheckIn.objects.get().order == order


def test_second_scan_is_refused_with_the_time(door, order):
    door({"qr_code": code_of(order)})

    response = door({"qr_code": code_of(order)})

    answer = response.json()
    assert (response.status_code, answer["code"]) == (400, "ALREADY_CHECKED_IN")
    assert answer["checkedInAt"].endswith("Z")
    assert (CheckIn.objects.count(), RefusedScan.objects.get().code) == (1, "ALREADY_CHECKED_IN")


new_checkin = checkin._new_checkin


def refused(response):
    assert CheckIn.objects.count() == 0
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize("status", ["pending", "cancelled", "refunded"])
def test_order_that_is_not_paid_is_refused(door, status):
    order = make_order(status=status)

    assert refused(door({"order_number": order.order_number})) == (400, "NOT_PAID")
    assert RefusedScan.objects.get().order == order


@pytest.mark.parametrize("status", ["cancelled", "deleted"])
def test_night_that_is_off_admits_nobody(door, status):
    order = make_order(make_tier(make_event(status=status)), status="paid")

    assert refused(door({"order_number": order.order_number})) == (400, "EVENT_NOT_ACTIVE")


def test_door_may_restrict_itself_to_its_event(door, order):
    other = make_event()

    assert refused(door({"order_number": order.order_number, "event_id": str(other.pk)})) == (400, "WRONG_EVENT")
    assert door({"order_number": order.order_number, "eventId": str(order.event_id)}).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        "HP261123-NOTHING0",
        "A" * 32,
        "4b825dc6-42cb-4eb9-9a06-0e54bf8d69e1",
        "{",
        "{}",
        '{"qr": 5}',
        '{"qr": "\\u0000"}',
        '{"id": "\\ud800"}',
        "[" * 900,
    ],
)
def test_unknown_ticket_is_refused_and_kept_as_a_hash(door, text):
    assert refused(door({"qr_code": text})) == (404, "ORDER_NOT_FOUND")
    assert RefusedScan.objects.get().presented_hash == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("body", [{}, {"qr_code": ""}, {"order_number": None}, {"other": "x"}])
def test_nothing_shown_is_a_missing_field(door, body):
    assert refused(door(body)) == (400, "MISSING_REQUIRED_FIELDS")


@pytest.mark.parametrize("body", [{"qr_code": 5}, {"qr_code": "x" * 1001}, {"order_number": "x", "event_id": "abc"}])
def test_wrong_types_are_refused(door, body):
    assert refused(door(body)) == (400, "VALIDATION_ERROR")


def test_revoked_code_does_not_pass_by_the_number_beside_it(door, order):
    old = json.dumps({"id": order.order_number, "qr": code_of(order)})
    Order.objects.update(code_version=2, qr_code_hash=codes.hash_code(codes.code_for(order.pk, 2)))

    assert refused(door({"qr_code": old})) == (404, "ORDER_NOT_FOUND")


def test_same_scan_sent_again_gets_its_first_answer(door, order):
    scan = {"qr_code": code_of(order), "nonce": "n-1"}

    first, again = door(scan), door(scan)

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert (CheckIn.objects.count(), RefusedScan.objects.count()) == (1, 0)
    assert door({**scan, "nonce": "n-2"}).json()["code"] == "ALREADY_CHECKED_IN"


def test_refused_scan_sent_again_stays_refused_and_is_kept_once(door):
    order = make_order(status="pending")
    scan = {"order_number": order.order_number, "nonce": "n-1"}
    door(scan)
    Order.objects.update(status="paid")

    assert refused(door(scan)) == (400, "NOT_PAID")
    assert RefusedScan.objects.count() == 1
    assert door({**scan, "nonce": "n-2"}).status_code == 200


def test_verify_shows_the_order_and_changes_nothing(api, order):
    response = api.get(f"/api/checkin/verify/{order.order_number.lower()}", headers=bearer())

    answer = response.json()
    assert set(answer) == {"success", "ticket", "order"}
    assert set(answer["ticket"]) == {
        "orderNumber",
        "buyerName",
        "event",
        "eventDate",
        "tier",
        "quantity",
        "status",
        "checkedIn",
        "checkedInAt",
    }
    assert set(answer["order"]) == ORDER_KEYS
    assert (answer["order"]["checked_in"], answer["ticket"]["checkedInAt"]) == (False, None)
    assert (CheckIn.objects.count(), RefusedScan.objects.count()) == (0, 0)


def test_verify_knows_who_is_in(api, door, order):
    door({"order_number": order.order_number})

    shown = api.get(f"/api/checkin/verify/{order.order_number}", headers=bearer()).json()["order"]

    assert (shown["checked_in"], shown["checkedInAt"]) == (True, shown["checked_in_at"])


@pytest.mark.parametrize("status", ["pending", "paid", "cancelled", "refunded"])
def test_verify_shows_any_status(api, status):
    order = make_order(status=status)

    assert api.get(f"/api/checkin/verify/{order.order_number}", headers=bearer()).json()["order"]["status"] == status


def test_verify_reads_what_a_keyboard_scanner_types(api, order):
    typed = json.dumps({"id": order.order_number, "qr": code_of(order), "event": "A/B"}).upper()

    response = api.get(f"/api/checkin/verify/{typed}", headers=bearer())

    assert response.json()["order"]["id"] == str(order.pk)


@pytest.mark.parametrize("number", ["nothing", "0", "-1", str(2**63), "{", "%7B%7D"])
def test_verify_of_an_unknown_number(api, number):
    response = api.get(f"/api/checkin/verify/{number}", headers=bearer())

    assert (response.status_code, response.json()["code"]) == (404, "ORDER_NOT_FOUND")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "NO_TOKEN"),
        ({"Authorization": "bearer x"}, "NO_TOKEN"),
        ({"Authorization": "Basic x"}, "NO_TOKEN"),
        ({"Authorization": "Bearer nonsense"}, "INVALID_TOKEN"),
        ({"Authorization": "Bearer ñ"}, "INVALID_TOKEN"),
        ({"Authorization": "Bearer "}, "INVALID_TOKEN"),
    ],
)
def test_door_needs_staff(api, order, headers, code):
    for response in (
        api.post("/api/checkin", {"order_number": order.order_number}, headers=headers),
        api.get(f"/api/checkin/verify/{order.order_number}", headers=headers),
    ):
        assert (response.status_code, response.json()["code"]) == (401, code)
    assert CheckIn.objects.count() == 0


# --- By hand -------------------------------------------------------------------------------------------------


def admit(order, people, **fields):
    return checkin.check_in(checkin.Scan(text=str(order.pk), actor=make_user(), people=people, **fields))


def refused_by_hand(order, people, **fields):
    with pytest.raises(Refused) as refusal:
        admit(order, people, **fields)
    return refusal.value.code, str(refusal.value)


@pytest.fixture
def party(db):
    return make_order(status="paid", quantity=4)


def test_people_of_an_order_may_come_one_after_the_other(party):
    admit(party, 1)
    admit(party, 3)

    assert CheckIn.objects.get().admitted == 4
    assert refused_by_hand(party, 1)[0] == "ALREADY_CHECKED_IN"
    log = AuditLog.objects.filter(action="CHECKIN").order_by("created_at")
    assert list(log.values_list("old_value", "new_value")) == [
        (None, {"admitted": 1}),
        ({"admitted": 1}, {"admitted": 4}),
    ]


@pytest.mark.parametrize("people", [5, 0, -1])
def test_no_more_people_than_tickets(party, people):
    assert refused_by_hand(party, people) == ("TOO_MANY_PEOPLE", "This order admits 4.")
    assert not CheckIn.objects.exists()
    assert RefusedScan.objects.get().code == "TOO_MANY_PEOPLE"


def test_no_more_people_than_are_missing(party):
    admit(party, 3)

    assert refused_by_hand(party, 2) == ("TOO_MANY_PEOPLE", "This order admits 1 more.")
    assert CheckIn.objects.get().admitted == 3


def test_button_pressed_twice_lets_in_once(party):
    admit(party, 1, nonce="first")
    admit(party, 1, nonce="second")

    for nonce in ("second", "first"):
        admit(party, 1, nonce=nonce)

    assert CheckIn.objects.get().admitted == 2


def test_scan_after_some_are_in_says_how_many(door, party):
    admit(party, 1)

    answer = door({"order_number": party.order_number})
    assert (answer.status_code, answer.json()["code"]) == (400, "ALREADY_CHECKED_IN")
    assert "1 of 4 were let in at" in answer.json()["error"]
    assert CheckIn.objects.get().admitted == 1


def test_hands_are_bound_to_paid_orders_of_the_night(party):
    assert refused_by_hand(party, 1, event_id=make_event().pk)[0] == "WRONG_EVENT"
    assert refused_by_hand(make_order(), 1)[0] == "NOT_PAID"
    assert not CheckIn.objects.exists()


# --- Looked at a moment ago, decided now ----------------------------------------------------------------------


def test_scan_of_most_guests_holds_no_lock_over_a_round_trip(door, order):
    with CaptureQueriesContext(connection) as queries:
        assert door({"order_number": order.order_number}).status_code == 200
        assert door({"order_number": order.order_number}).status_code == 400

    said = [query["sql"] for query in queries]
    assert not [sql for sql in said if sql.startswith("SELECT") and "FOR NO KEY UPDATE" in sql]
    assert len([sql for sql in said if "INSERT" in sql]) == 2


def test_night_that_was_cancelled_a_moment_ago_admits_nobody(door, order, settings):
    settings.MEMORY_SECONDS = 60
    look(order.event_id, order.tier_id)
    Event.objects.update(status="cancelled")

    assert refused(door({"order_number": order.order_number})) == (400, "EVENT_NOT_ACTIVE")
    assert CheckIn.objects.count() == 0


def test_order_that_is_refunded_between_look_and_admission_stays_out(door, order, monkeypatch):
    def refund_meanwhile(*args):
        Order.objects.update(status="refunded")

    monkeypatch.setattr(checkin, "_new_checkin", lambda *args: refund_meanwhile() or new_checkin(*args))

    assert refused(door({"order_number": order.order_number})) == (400, "NOT_PAID")
    assert CheckIn.objects.count() == 0
