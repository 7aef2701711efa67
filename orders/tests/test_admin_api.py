import uuid
from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from audit.models import AuditLog
from events.models import Event, TicketTier
from homeproductions.mail.models import OutboxEmail
from homeproductions.mail.services import close_open
from orders import codes
from orders.mails import queue_ticket
from orders.models import CheckIn, Order
from tests.factories import bearer, make_event, make_order, make_tier, make_user

PATH = "/api/admin/orders"
TEXT, NUMBER, MAYBE = str, (int, float), (str, type(None))
ORDER_TYPES = {
    "id": TEXT,
    "orderNumber": TEXT,
    "eventId": TEXT,
    "eventName": TEXT,
    "eventDate": TEXT,
    "tierId": TEXT,
    "tierName": TEXT,
    "buyerName": TEXT,
    "buyerEmail": TEXT,
    "buyerPhone": MAYBE,
    "buyerCountry": MAYBE,
    "buyerNationality": MAYBE,
    "quantity": int,
    "unitPrice": NUMBER,
    "totalPrice": NUMBER,
    "currency": TEXT,
    "status": TEXT,
    "paymentMethod": MAYBE,
    "payment_method": MAYBE,
    "paymentProvider": MAYBE,
    "paymentReference": MAYBE,
    "paymentConfirmedAt": MAYBE,
    "emailStatus": MAYBE,
    "emailSentAt": MAYBE,
    "checkedInAt": MAYBE,
    "isTest": bool,
    "createdAt": TEXT,
}


@pytest.fixture
def office(api):
    user = make_user("admin")

    def call(method, path=PATH, body=None):
        return getattr(api, method)(path, body, headers=bearer(user))

    call.user = user
    return call


def assert_shape(shown, types):
    assert set(shown) == set(types)
    wrong = {key: shown[key] for key, kind in types.items() if not isinstance(shown[key], kind)}
    assert wrong == {}


def refused(response):
    return response.status_code, response.json()["code"]


# --- Looking ------------------------------------------------------------------------------------------------


def test_list_has_the_contracts_keys(office):
    order = make_order(status="paid", quantity=2, payment_method="card", buyer_country="Guatemala")
    queue_ticket(order)
    CheckIn.objects.create(order=order, admitted=2)

    answer = office("get").json()

    assert set(answer) == {"success", "orders", "count", "total", "totalPages", "page", "limit"}
    shown = answer["orders"][0]
    assert_shape(shown, ORDER_TYPES)
    assert (shown["totalPrice"], shown["payment_method"], shown["emailStatus"]) == (51, "card", "pending")
    assert shown["checkedInAt"].endswith("Z")


@pytest.mark.parametrize("rows", [1, 30])
def test_list_needs_three_queries(office, django_assert_num_queries, rows):
    tier = make_tier()
    for _ in range(rows):
        queue_ticket(make_order(tier, "paid"))

    with django_assert_num_queries(3):
        assert office("get").json()["count"] == rows


def test_pages_of_the_admin_front_end(office):
    tier = make_tier()
    numbers = [make_order(tier).order_number for _ in range(5)]

    def page(query):
        answer = office("get", f"{PATH}?{query}").json()
        return [each["orderNumber"] for each in answer["orders"]], answer["total"], answer["totalPages"], answer["page"]

    newest = numbers[::-1]
    assert page("page=1&limit=2") == (newest[:2], 5, 3, 1)
    assert page("status=&search=&page=3&limit=2") == (newest[4:], 5, 3, 3)
    assert page("offset=2&limit=2") == (newest[2:4], 5, 3, 2)
    assert page("page=9&limit=2") == ([], 5, 3, 9)
    assert page("limit=0") == (newest, 5, 1, 1)
    assert office("get", f"{PATH}?limit=5000").json()["limit"] == 200


@pytest.mark.parametrize("query", ["limit=-1", "offset=-5", "page=x", "limit=1.5", f"offset={10**30}", "eventId=abc"])
def test_bad_paging_is_refused(office, query):
    assert refused(office("get", f"{PATH}?{query}")) == (400, "VALIDATION_ERROR")


def test_list_is_filtered_and_searched(office):
    tier = make_tier()
    wanted = make_order(tier, "paid", buyer_name="Ximena Ruiz", buyer_email="XR@example.org")
    make_order()

    for query in (
        f"eventId={tier.event_id}",
        f"event_id={tier.event_id}",
        "status=paid",
        "search=ximena",
        "search=xr@EXAMPLE.org",
        f"search={wanted.order_number[4:].lower()}",
    ):
        shown = office("get", f"{PATH}?{query}").json()["orders"]
        assert [each["id"] for each in shown] == [str(wanted.pk)], query
    assert office("get", f"{PATH}?status=odd").json()["total"] == 0
    assert office("get", f"{PATH}?search=100%25_").json()["total"] == 0


def test_filters_together_and_once_more_with_other_values(office):
    orders = [make_order(make_tier(), "paid", buyer_name=name) for name in (r"Ana \ 100%", "Ana 100_", "Ana 1000")]
    make_order(orders[0].tier)

    def found(event, status, search):
        query = urlencode({"eventId": event, "status": status, "search": search})
        return [each["id"] for each in office("get", f"{PATH}?{query}").json()["orders"]]

    for order in orders:
        assert found(order.event_id, "paid", order.buyer_name[4:]) == [str(order.pk)]
        assert found(order.event_id, "cancelled", order.buyer_name[4:]) == []
    assert found("", "", "100%") == [str(orders[0].pk)]
    assert len(found("", "all", "")) == 4


def test_door_staff_see_no_phone_numbers(api):
    order = make_order(buyer_phone="5555 1234", buyer_nationality="GT")
    headers = bearer(make_user("staff"))

    [listed] = api.get(PATH, headers=headers).json()["orders"]
    single = api.get(f"{PATH}/{order.pk}", headers=headers).json()["order"]

    assert listed == single
    assert_shape(single, ORDER_TYPES)
    assert (single["buyerPhone"], single["buyerNationality"], single["paymentReference"]) == (None, None, None)


def test_single_order(office):
    order = make_order()

    answer = office("get", f"{PATH}/{order.pk}").json()

    assert set(answer) == {"success", "order"}
    assert_shape(answer["order"], ORDER_TYPES)


@pytest.mark.parametrize("reference", ["abc", "0", "-1", str(2**63), str(uuid.UUID(int=1))])
@pytest.mark.parametrize(("method", "tail"), [("get", ""), ("put", "/status"), ("post", "/resend-email")])
def test_unknown_order_is_not_found(office, method, tail, reference):
    body = {"status": "paid"} if method == "put" else None

    assert refused(office(method, f"{PATH}/{reference}{tail}", body)) == (404, "ORDER_NOT_FOUND")


# --- Status -------------------------------------------------------------------------------------------------


def change(office, order, **body):
    return office("put", f"{PATH}/{order.pk}/status", body)


def seats(order):
    return TicketTier.objects.get(pk=order.tier_id).sold


def test_office_marks_an_order_paid(office):
    order = make_order()

    response = change(office, order, status="paid", paymentReference="cash 7")

    order.refresh_from_db()
    assert (response.status_code, set(response.json())) == (200, {"success", "message", "emailSent"})
    assert response.json()["emailSent"] is False
    assert (order.status, order.payment_provider, order.payment_reference) == ("paid", "admin", "cash 7")
    assert (order.payment_confirmed_by, OutboxEmail.objects.get().status) == (office.user, "pending")


def test_mail_is_held_back_when_asked(office):
    order = make_order()

    change(office, order, status="paid", sendEmail=False)

    assert OutboxEmail.objects.count() == 0


def test_cancel_gives_the_seats_back(office):
    order = make_order(quantity=3)

    assert change(office, order, status="cancelled").status_code == 200

    order.refresh_from_db()
    assert (order.status, seats(order)) == ("cancelled", 0)
    assert order.cancelled_at is not None


def test_refund_gives_the_seats_back_and_closes_the_mail(office):
    order = make_order(status="paid", quantity=3)
    queue_ticket(order)

    assert change(office, order, status="refunded").status_code == 200

    order.refresh_from_db()
    assert (order.status, seats(order)) == ("refunded", 0)
    ticket, word = OutboxEmail.objects.get(email_type="ticket"), OutboxEmail.objects.get(email_type="refund")
    assert (ticket.status, ticket.error_message, word.status) == ("failed", "the order was refunded", "pending")


def test_guest_who_is_inside_is_refunded_only_by_force_and_keeps_the_seat(office):
    order = make_order(status="paid", quantity=3)
    CheckIn.objects.create(order=order, admitted=3)

    assert refused(change(office, order, status="refunded")) == (400, "ALREADY_CHECKED_IN")
    assert change(office, order, status="refunded", force=True).status_code == 200
    order.refresh_from_db()
    assert (order.status, seats(order)) == ("refunded", 3)


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("cancelled", "paid", "ORDER_NOT_PENDING"),
        ("refunded", "paid", "ORDER_NOT_PENDING"),
        ("paid", "cancelled", "CANNOT_CANCEL_NON_PENDING"),
        ("refunded", "cancelled", "CANNOT_CANCEL_NON_PENDING"),
        ("pending", "refunded", "CANNOT_REFUND_NON_PAID"),
        ("cancelled", "refunded", "CANNOT_REFUND_NON_PAID"),
    ],
)
def test_forbidden_step_changes_nothing(office, before, after, code):
    order = make_order(status=before)
    sold = seats(order)

    assert refused(change(office, order, status=after)) == (400, code)
    order.refresh_from_db()
    assert (order.status, seats(order), AuditLog.objects.count()) == (before, sold, 0)


@pytest.mark.parametrize("status", ["paid", "cancelled", "refunded"])
def test_repeated_status_is_a_quiet_success(office, status):
    order = make_order(status=status)
    sold = seats(order)

    assert change(office, order, status=status).status_code == 200
    assert (seats(order), AuditLog.objects.count(), OutboxEmail.objects.count()) == (sold, 0, 0)


@pytest.mark.parametrize("status", ["pending", "shipped", "PAID"])
def test_status_nobody_can_set_names_those_one_can(office, status):
    response = change(office, make_order(), status=status)

    assert refused(response) == (400, "VALIDATION_ERROR")
    assert response.json()["validStatuses"] == ["paid", "cancelled", "refunded"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "MISSING_REQUIRED_FIELDS"),
        ({"status": 5}, "VALIDATION_ERROR"),
        ({"status": "paid", "paymentReference": "x" * 256}, "VALIDATION_ERROR"),
        ({"status": "paid", "sendEmail": "no"}, "VALIDATION_ERROR"),
    ],
)
def test_bad_status_body_is_refused(office, body, code):
    assert refused(change(office, make_order(), **body)) == (400, code)


def test_status_change_is_audited_with_who_and_where(office):
    order = make_order()

    change(office, order, status="paid")

    row = AuditLog.objects.get()
    assert (row.action, row.entity_type, row.entity_id, row.user) == ("STATUS_CHANGE", "order", order.pk, office.user)
    assert (row.old_value, row.new_value) == ({"status": "pending"}, {"status": "paid", "provider": "admin"})
    assert row.ip_address == "127.0.0.1"


# --- Mail, test orders, old callers ---------------------------------------------------------------------------


def test_ticket_is_mailed_again_also_after_it_was_sent(office):
    order = make_order(status="paid")
    queue_ticket(order)
    OutboxEmail.objects.update(status="sent", sent_at=timezone.now())

    response = office("post", f"{PATH}/{order.pk}/resend-email")

    assert (response.status_code, set(response.json())) == (200, {"success", "message", "emailSent"})
    assert OutboxEmail.objects.filter(status="pending").count() == 1
    assert AuditLog.objects.get().action == "RESEND_EMAIL"


def test_resend_is_sent_with_neither_body_nor_content_type(api):
    order = make_order(status="paid")

    response = api.generic("POST", f"{PATH}/{order.pk}/resend-email", headers=bearer(make_user("admin")))

    assert response.status_code == 200


@pytest.mark.parametrize("status", ["pending", "cancelled", "refunded"])
def test_order_without_a_ticket_cannot_be_mailed(office, status):
    order = make_order(status=status)

    assert refused(office("post", f"{PATH}/{order.pk}/resend-email")) == (400, "NOT_PAID")


def test_order_of_a_forgotten_guest_cannot_be_mailed(office):
    order = make_order(status="paid")
    Order.objects.update(forgotten_at=timezone.now())

    response = office("post", f"{PATH}/{order.pk}/resend-email")

    assert refused(response) == (400, "GUEST_FORGOTTEN")
    assert "Show the ticket on the screen" in response.json()["error"]
    assert not OutboxEmail.objects.exists()


def wished_test(tier, **changes):
    return {
        "event_id": str(tier.event_id),
        "tier_id": str(tier.pk),
        "buyer_name": "Test",
        "buyer_email": "test@example.com",
        "buyer_phone": "",
        "quantity": 2,
        "send_email": False,
        **changes,
    }


def test_test_order_is_paid_and_counts_nowhere(office):
    tier = make_tier(quantity=0)

    response = office("post", f"{PATH}/test", wished_test(tier))

    answer, order = response.json(), Order.objects.get()
    assert (response.status_code, set(answer)) == (200, {"success", "message", "order", "emailSent"})
    assert_shape(
        answer["order"],
        {
            "id": TEXT,
            "orderNumber": TEXT,
            "eventName": TEXT,
            "tierName": TEXT,
            "buyerName": TEXT,
            "buyerEmail": TEXT,
            "quantity": int,
            "totalPrice": NUMBER,
            "status": TEXT,
            "qrCode": TEXT,
        },
    )
    assert codes.hash_code(answer["order"]["qrCode"]) == order.qr_code_hash
    assert (order.is_test, order.status, order.payment_method, order.payment_provider) == (True, "paid", "test", "test")
    assert order.payment_reference.startswith("TEST-")
    assert (seats(order), OutboxEmail.objects.count()) == (0, 0)
    assert office("get", "/api/admin/stats").json()["totalOrders"] == 0


def test_test_order_may_be_mailed_and_refunded_without_touching_stock(office):
    tier = make_tier(sold=5)
    office("post", f"{PATH}/test", wished_test(tier, send_email=True))
    order = Order.objects.get()

    assert OutboxEmail.objects.count() == 1
    assert change(office, order, status="refunded").status_code == 200
    assert seats(order) == 5


def test_test_order_for_a_wrong_tier_or_event_is_refused(office):
    tier = make_tier()
    draft = make_tier(make_event(status=Event.Status.DRAFT))

    assert refused(office("post", f"{PATH}/test", wished_test(tier, tier_id=str(draft.pk)))) == (404, "TIER_NOT_FOUND")
    assert refused(office("post", f"{PATH}/test", wished_test(draft))) == (400, "EVENT_NOT_ACTIVE")
    assert refused(office("post", f"{PATH}/test", {})) == (400, "MISSING_REQUIRED_FIELDS")
    assert Order.objects.count() == 0


@pytest.mark.parametrize("path", [f"{PATH}/mark-paid", "/api/admin/mark-paid"])
@pytest.mark.parametrize("name", [lambda order: order.order_number.lower(), lambda order: str(order.pk)])
def test_old_callers_mark_paid(office, path, name):
    order = make_order()

    responses = [office("post", path, {"order_id": name(order)}) for _ in range(2)]

    assert [each.status_code for each in responses] == [200, 200]
    answer = responses[0].json()
    assert set(answer) == {"success", "message", "emailSent", "order_id"}
    assert answer["order_id"] == order.order_number
    order.refresh_from_db()
    assert (order.status, order.payment_provider) == ("paid", "admin_legacy")


def test_mark_paid_refusals(office):
    cancelled = make_order(status="cancelled")

    assert refused(office("post", f"{PATH}/mark-paid", {})) == (400, "MISSING_REQUIRED_FIELDS")
    assert refused(office("post", f"{PATH}/mark-paid", {"order_id": "nothing"})) == (404, "ORDER_NOT_FOUND")
    assert refused(office("post", f"{PATH}/mark-paid", {"order_id": str(cancelled.pk)})) == (400, "ORDER_NOT_PENDING")


# --- The door's list ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/admin/checkins", "/api/admin/orders/checkins"])
def test_recent_checkins_are_newest_first(api, path):
    now = timezone.now()
    for minutes in range(12):
        order = make_order(status="paid", quantity=2)
        CheckIn.objects.create(order=order, admitted=2, checked_in_at=now - timedelta(minutes=minutes))

    answer = api.get(path, headers=bearer(make_user("staff"))).json()

    assert (set(answer), answer["count"]) == ({"success", "checkins", "count"}, 10)
    moments = [each["checkedInAt"] for each in answer["checkins"]]
    assert moments == sorted(moments, reverse=True)
    assert_shape(
        answer["checkins"][0],
        {
            "id": TEXT,
            "orderNumber": TEXT,
            "buyerName": TEXT,
            "buyerEmail": TEXT,
            "quantity": int,
            "eventName": TEXT,
            "tierName": TEXT,
            "checkedInAt": TEXT,
        },
    )
    assert api.get(f"{path}?limit=3", headers=bearer()).json()["count"] == 3


@pytest.mark.parametrize("rows", [1, 30])
def test_recent_checkins_need_two_queries(api, django_assert_num_queries, rows):
    for _ in range(rows):
        CheckIn.objects.create(order=make_order(status="paid"), admitted=1)
    headers = bearer()

    with django_assert_num_queries(2):
        assert api.get("/api/admin/checkins?limit=100", headers=headers).json()["count"] == rows


# --- Figures --------------------------------------------------------------------------------------------------


def season():
    """Two nights; per night two tiers and orders in every state, so that a careless join would multiply."""
    for price in (Decimal(10), Decimal("20.50")):
        night = make_event(name=f"Night {price}")
        tiers = [make_tier(night, price=price, quantity=20), make_tier(night, price=price, quantity=30)]
        for tier in tiers:
            for status in ("pending", "paid", "cancelled", "refunded"):
                make_order(tier, status, quantity=2, referral_source="instagram" if status == "paid" else None)
        CheckIn.objects.create(order=Order.objects.filter(tier=tiers[0], status="paid").get(), admitted=2)
    refunded = Order.objects.filter(status="refunded").first()
    CheckIn.objects.create(order=refunded, admitted=2)
    test_order = make_order(status="paid", is_test=True)
    CheckIn.objects.create(order=test_order, admitted=1)


def test_statistics_add_up(office):
    season()

    answer = office("get", "/api/admin/stats").json()

    assert set(answer) == {
        "success",
        "totalEvents",
        "activeEvents",
        "totalOrders",
        "paidOrders",
        "totalRevenue",
        "totalTickets",
        "checkedIn",
        "ordersByStatus",
        "eventStats",
        "stats",
    }
    assert (answer["totalEvents"], answer["activeEvents"], answer["totalOrders"], answer["paidOrders"]) == (3, 3, 16, 4)
    assert (answer["totalRevenue"], answer["totalTickets"], answer["checkedIn"]) == (122, 8, 4)
    assert answer["ordersByStatus"] == {"pending": 4, "paid": 4, "cancelled": 4, "refunded": 4}
    nights = {each["name"]: each for each in answer["eventStats"]}
    assert {key: nights["Night 10"][key] for key in ("sold", "capacity", "revenue", "checkedIn")} == {
        "sold": 4,
        "capacity": 50,
        "revenue": 40,
        "checkedIn": 2,
    }
    assert set(nights["Night 10"]) == {"id", "name", "date", "sold", "capacity", "revenue", "checkedIn"}
    assert len(nights["Night 10"]["date"]) == 10


def test_nested_statistics_are_both_old_builds(office):
    season()

    stats = office("get", "/api/admin/stats").json()["stats"]

    assert set(stats) == {
        "orders",
        "revenue",
        "revenueByCurrency",
        "ticketsSold",
        "checkedIn",
        "activeEvents",
        "events",
        "referrals",
        "eventStats",
        "emails",
        "recentOrders",
    }
    assert stats["orders"] == {"pending": 4, "paid": 4, "cancelled": 4, "refunded": 4, "checkedIn": 3}
    assert (stats["revenue"], stats["ticketsSold"], stats["checkedIn"]) == (122, 8, 2)
    assert stats["events"] == {"active": 3, "draft": 0}
    assert (stats["referrals"], stats["emails"]) == ({"instagram": 4}, {"sent": 0, "pending": 0, "failed": 0})
    assert len(stats["recentOrders"]) == 10
    assert set(stats["recentOrders"][0]) == {"orderNumber", "buyerName", "total", "status", "event", "createdAt"}


def test_mail_that_nobody_wants_any_more_counts_nowhere(office):
    order = make_order(status="paid")
    for kind, status in [("ticket", "pending"), ("reminder", "sent"), ("refund", "failed")]:
        OutboxEmail.objects.create(order=order, email_type=kind, status=status)

    close_open(order, reason="the order was refunded")

    assert office("get", "/api/admin/stats").json()["stats"]["emails"] == {"sent": 1, "pending": 0, "failed": 1}


def test_orders_without_a_source_count_as_direct(office):
    for source in ("direct", None, ""):
        make_order(status="paid", referral_source=source)

    assert office("get", "/api/admin/stats").json()["stats"]["referrals"] == {"direct": 3}


def test_statistics_of_one_event(office):
    season()
    night = Event.objects.get(name="Night 10")

    answer = office("get", f"/api/admin/stats?eventId={night.pk}").json()

    assert (answer["totalOrders"], answer["totalRevenue"], answer["checkedIn"]) == (8, 40, 2)
    assert len(answer["eventStats"]) == 3


@pytest.mark.parametrize("nights", [1, 30])
def test_statistics_need_the_same_queries_for_any_season(office, django_assert_num_queries, nights):
    for _ in range(nights):
        make_order(status="paid")

    with django_assert_num_queries(12):
        office("get", "/api/admin/stats")


def test_statistics_of_an_empty_house_are_zero(office):
    answer = office("get", "/api/admin/stats").json()

    assert (answer["totalRevenue"], answer["totalTickets"], answer["eventStats"]) == (0, 0, [])


def test_audit_list(office):
    order = make_order()
    change(office, order, status="paid")
    change(office, order, status="refunded")

    answer = office("get", "/api/admin/stats/audit").json()

    assert (set(answer), answer["count"]) == ({"success", "logs", "count"}, 2)
    assert_shape(
        answer["logs"][0],
        {
            "id": TEXT,
            "userId": TEXT,
            "userEmail": TEXT,
            "userName": TEXT,
            "action": TEXT,
            "entityType": TEXT,
            "entityId": TEXT,
            "oldValue": dict,
            "newValue": dict,
            "ipAddress": TEXT,
            "createdAt": TEXT,
        },
    )
    assert answer["logs"][0]["newValue"] == {"status": "refunded"}
    for query, count in (("entityType=order", 2), ("entityType=event", 0), ("action=STATUS_CHANGE&limit=1", 1)):
        assert office("get", f"/api/admin/stats/audit?{query}").json()["count"] == count
    assert office("get", "/api/admin/stats/audit?offset=1").json()["logs"][0]["newValue"]["status"] == "paid"


@pytest.mark.parametrize("rows", [1, 30])
def test_audit_list_needs_two_queries(office, django_assert_num_queries, rows):
    for _ in range(rows):
        change(office, make_order(), status="paid")

    with django_assert_num_queries(2):
        assert office("get", "/api/admin/stats/audit").json()["count"] == rows


# --- Roles ----------------------------------------------------------------------------------------------------

ID = uuid.UUID(int=1)
ROUTES = [
    ("get", PATH, "staff"),
    ("get", f"{PATH}/{ID}", "staff"),
    ("get", "/api/admin/checkins", "staff"),
    ("get", "/api/admin/orders/checkins", "staff"),
    ("put", f"{PATH}/{ID}/status", "admin"),
    ("post", f"{PATH}/{ID}/resend-email", "admin"),
    ("post", f"{PATH}/test", "admin"),
    ("post", f"{PATH}/mark-paid", "admin"),
    ("post", "/api/admin/mark-paid", "admin"),
    ("get", "/api/admin/stats", "admin"),
    ("get", "/api/admin/stats/audit", "admin"),
]


@pytest.mark.parametrize(("method", "path", "least"), ROUTES)
def test_each_route_asks_for_the_right_role(api, method, path, least):
    def answer(role):
        return getattr(api, method)(path, headers=bearer(make_user(role))).status_code

    assert refused(getattr(api, method)(path)) == (401, "NO_TOKEN")
    assert (answer("staff") == 403) is (least == "admin")
    assert 403 not in (answer("admin"), answer("superadmin"))
