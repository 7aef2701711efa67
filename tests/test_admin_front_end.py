"""The existing admin front end, row by row of what it disagreed about with the old server (contract 4.8).

Each test sends exactly what that client sends and reads exactly the keys it reads.
"""

import json
import re

import pytest

from accounts.models import User
from events.models import Event, TicketTier
from orders import codes
from orders.models import CheckIn, Order
from tests.factories import bearer, make_event, make_order, make_tier, make_user

PASSWORD = "correct horse battery"


@pytest.fixture
def client_app(api):
    """Calls as the front end does: bearer header, JSON content type even on GETs, body parsed before the status."""
    user = make_user("admin")

    def call(method, path, body=None):
        data = json.dumps(body).encode() if body is not None else b""
        response = api.generic(method, path, data, content_type="application/json", headers=bearer(user))
        assert isinstance(response.json(), dict)
        return response

    return call


def test_d1_reload_refreshes_with_the_token_only(api, db):
    User.objects.create_user("ana@example.com", PASSWORD, name="Ana", role="admin")
    session = api.post("/api/auth/login", {"email": "ana@example.com", "password": PASSWORD}).json()

    answer = api.post("/api/auth/refresh", {"refreshToken": session["refreshToken"]}).json()

    assert (answer["user"]["name"], bool(answer["accessToken"]), bool(answer["refreshToken"])) == ("Ana", True, True)


def test_d2_check_in_by_order_number(client_app):
    order = make_order(status="paid")

    assert client_app("POST", "/api/checkin", {"order_number": order.order_number}).status_code == 200


def test_d3_verify_reads_order_and_checked_in(client_app):
    order = make_order(status="paid")
    CheckIn.objects.create(order=order, admitted=1)

    shown = client_app("GET", f"/api/checkin/verify/{order.order_number}").json()["order"]

    assert (shown["order_number"], shown["buyer_name"], shown["checked_in"]) == (
        order.order_number,
        "Lucía Pérez",
        True,
    )
    assert all(shown[key] for key in ("buyer_email", "quantity", "event_name", "tier_name", "checked_in_at"))


def test_d4_recent_check_ins(client_app):
    CheckIn.objects.create(order=make_order(status="paid", quantity=2), admitted=2)

    [shown] = client_app("GET", "/api/admin/checkins?limit=10").json()["checkins"]

    assert (shown["buyerName"], shown["quantity"]) == ("Lucía Pérez", 2)
    assert shown["id"]
    assert shown["orderNumber"]
    assert shown["checkedInAt"]


def test_d5_figures_at_top_level_are_not_zero(client_app):
    order = make_order(status="paid", quantity=2)
    CheckIn.objects.create(order=order, admitted=2)

    answer = client_app("GET", "/api/admin/stats").json()

    keys = ("totalEvents", "activeEvents", "totalOrders", "paidOrders", "totalRevenue", "totalTickets", "checkedIn")
    assert [answer[key] for key in keys] == [1, 1, 1, 1, 51, 2, 2]
    [night] = answer["eventStats"]
    assert (night["sold"], night["capacity"], night["revenue"], night["checkedIn"]) == (2, 100, 51, 2)
    assert answer["ordersByStatus"]["paid"] == 1


def test_d6_gallery_as_flat_images(client_app):
    event = make_event()
    body = {
        "image_url": "https://img.example.com/a.jpg",
        "caption": "Dawn",
        "event_id": str(event.pk),
        "is_featured": True,
        "sort_order": 3,
    }
    assert client_app("POST", "/api/admin/gallery", body).status_code == 201

    [item] = client_app("GET", f"/api/admin/gallery?event_id={event.pk}&search=daw").json()["items"]
    assert {key: item[key] for key in body} == body

    path = f"/api/admin/gallery/{item['id']}"
    assert client_app("PUT", path, {**body, "caption": "Dusk", "event_id": None}).status_code == 200
    [changed] = client_app("GET", "/api/admin/gallery").json()["items"]
    assert (changed["caption"], changed["event_id"]) == ("Dusk", None)
    assert client_app("DELETE", path).status_code == 200
    assert client_app("GET", "/api/admin/gallery").json()["items"] == []


def test_d7_orders_page_search_and_totals(client_app):
    for name in ("Ana", "Bea", "Ana María"):
        make_order(buyer_name=name)

    answer = client_app("GET", "/api/admin/orders?search=ana&page=1&limit=20").json()

    assert (answer["total"], answer["totalPages"], len(answer["orders"])) == (2, 1, 2)


@pytest.mark.parametrize("name", ["event_id", "eventId"])
def test_d8_orders_of_an_event(client_app, name):
    order = make_order()
    make_order()

    answer = client_app("GET", f"/api/admin/orders?{name}={order.event_id}").json()

    assert [each["id"] for each in answer["orders"]] == [str(order.pk)]


def test_d9_order_details(client_app):
    order = make_order(buyer_phone="5555", buyer_country="Guatemala", payment_method="card")
    Order.objects.update(payment_reference="pay_1")

    [shown] = client_app("GET", "/api/admin/orders").json()["orders"]

    keys = ("payment_method", "paymentReference", "unitPrice", "currency", "buyerCountry", "buyerPhone", "tierName")
    assert [shown[key] for key in keys] == ["card", "pay_1", 25.5, "USD", "Guatemala", "5555", "General"]
    assert shown["orderNumber"] == order.order_number


def edit_form(event):
    """What the edit form makes of a list row: what is missing there becomes the form's own default."""
    keys = ("name", "location", "venue", "description", "status")
    tier_keys = ("id", "name", "description", "price", "currency", "quantity", "sold", "max_per_order", "is_active")
    date = event["event_date"].partition("T")[0]
    return {
        **{key: event[key] or "" for key in keys},
        "event_date": date,
        "date": date,
        "event_time": event["event_time"],
        "event_type": event.get("event_type", "party"),
        "main_artist": event["mainArtist"] or "",
        "image_url": event["image"] or "",
        "min_age": event.get("min_age", 18),
        "tiers": [
            {**{key: tier[key] for key in tier_keys}, "paymentLink": tier["payment_link"]} for tier in event["tiers"]
        ],
    }


def test_d10_saving_the_unchanged_form_loses_nothing(client_app):
    event = make_event(
        venue="El Patio",
        description="Under the volcano",
        event_type="concert",
        min_age=21,
        main_artist="DJ",
        artists=["A"],
    )
    make_tier(event, currency="GTQ", max_per_order=4, description="Front", payment_link="https://pay.example.com/x")
    before = Event.objects.values().get(), TicketTier.objects.values().get()

    [row] = client_app("GET", "/api/admin/events").json()["events"]
    assert client_app("PUT", f"/api/admin/events/{event.pk}", edit_form(row)).status_code == 200

    after = Event.objects.values().get(), TicketTier.objects.values().get()
    for old, new in zip(before, after, strict=True):
        assert {**old, "updated_at": None} == {**new, "updated_at": None}


def test_d11_event_saved_in_snake_case_plus_date(client_app):
    event = make_event()
    [row] = client_app("GET", "/api/admin/events").json()["events"]
    form = {
        **edit_form(row),
        "event_date": "2027-05-01",
        "date": "2027-05-01",
        "event_time": "22:15",
        "event_type": "festival",
        "main_artist": "DJ Quetzal",
        "image_url": "https://img.example.com/b.jpg",
        "min_age": 16,
    }

    client_app("PUT", f"/api/admin/events/{event.pk}", form)

    event.refresh_from_db()
    assert (str(event.event_date), str(event.event_time), event.event_type) == ("2027-05-01", "22:15:00", "festival")
    assert (event.main_artist, event.image_url, event.min_age) == ("DJ Quetzal", "https://img.example.com/b.jpg", 16)


def test_d12_tier_currency_limit_and_activity_are_stored(client_app):
    tier = {"name": "T", "description": "", "price": 10, "currency": "GTQ", "quantity": 5, "max_per_order": 2}
    body = {"name": "A", "location": "B", "date": "2027-05-01", "event_date": "2027-05-01", "event_time": "21:00"}

    client_app("POST", "/api/admin/events", {**body, "tiers": [{**tier, "is_active": False, "paymentLink": ""}]})

    stored = TicketTier.objects.get()
    assert (stored.currency, stored.max_per_order, stored.is_active) == ("GTQ", 2, False)


def test_d13_events_search(client_app):
    make_event(name="Luna Llena")
    make_event(name="Sol")

    assert client_app("GET", "/api/admin/events?search=lun").json()["count"] == 1


def test_d14_single_event_with_tiers_inside(client_app):
    tier = make_tier()

    event = client_app("GET", f"/api/admin/events/{tier.event_id}").json()["event"]

    assert [event["tiers"][0][key] for key in ("id", "name", "price", "currency")] == [
        str(tier.pk),
        "General",
        25.5,
        "USD",
    ]


def test_d15_test_order(client_app):
    tier = make_tier()
    body = {
        "event_id": str(tier.event_id),
        "tier_id": str(tier.pk),
        "buyer_name": "Test",
        "buyer_email": "test@example.com",
        "buyer_phone": "",
        "quantity": 1,
        "send_email": False,
    }

    assert client_app("POST", "/api/admin/orders/test", body).status_code == 200


def test_d16_cancel_of_a_paid_order_is_refused_with_a_clear_text(client_app):
    order = make_order(status="paid")

    response = client_app("PUT", f"/api/admin/orders/{order.pk}/status", {"status": "cancelled"})

    assert (response.status_code, response.json()["code"]) == (400, "CANNOT_CANCEL_NON_PENDING")
    assert "Refund" in response.json()["error"]


@pytest.mark.parametrize("shape", ["json", "number", "secret"])
def test_d17_whatever_a_scan_yields_is_accepted(client_app, shape):
    order = make_order(status="paid")
    code = codes.code_for(order.pk, 1)
    text = {"json": json.dumps({"id": order.order_number, "qr": code}), "number": order.order_number, "secret": code}

    assert client_app("GET", f"/api/checkin/verify/{text[shape].upper()}").json()["order"]["id"] == str(order.pk)
    assert client_app("POST", "/api/checkin", {"order_number": text[shape].upper()}).status_code == 200


def test_d18_form_takes_six_characters_the_server_asks_for_eight(client_app):
    body = {"currentPassword": "whatever", "newPassword": "sixsix"}

    assert client_app("POST", "/api/auth/change-password", body).json()["code"] == "VALIDATION_ERROR"


def test_d19_number_in_any_case_and_with_blanks(client_app):
    order = make_order(status="paid")
    assert re.fullmatch(r"HP\d{6}-\w{8}", order.order_number)

    typed = f" {order.order_number.lower()} "
    assert client_app("GET", f"/api/checkin/verify/{typed}").json()["order"]["id"] == str(order.pk)


def test_logout_is_sent_with_a_content_type_and_no_body(client_app):
    assert client_app("POST", "/api/auth/logout").status_code == 200
