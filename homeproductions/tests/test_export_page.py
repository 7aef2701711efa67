"""The page where figures and lists are taken away, and what the audit says of it. What is in the files:
test_exported_lists.py, test_exported_revenue.py; long ones: test_long_exports.py."""

import json

import pytest
from django.contrib import admin
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client, RequestFactory

from audit.models import AuditLog
from newsletter.models import Subscriber
from tests.factories import make_event, make_order, make_user

from .exports import KINDS, PATH, take

pytestmark = pytest.mark.django_db


# --- The page -------------------------------------------------------------------------------------------------


def test_choices_may_come_with_the_address(office):
    night = make_event()

    page = office.get(PATH, {"what": "orders", "event_id": night.pk, "status": "paid", "first_day": "2026-06-01"})

    assert page.status_code == 200
    text = page.content.decode()
    assert f'<option value="{night.pk}" selected>' in text
    assert text.count('<option value="paid" selected>') == 1
    assert text.count('value="2026-06-01"') == 1


def test_the_list_of_orders_leads_here_with_its_filters(office):
    night = make_event()
    chosen = {"event": night.pk, "status__exact": "paid", "from": "2026-06-01", "to": "2026-06-30"}

    page = office.get("/admin/orders/order/", chosen).content.decode()

    query = f"what=orders&amp;event_id={night.pk}&amp;status=paid&amp;first_day=2026-06-01&amp;last_day=2026-06-30"
    assert f'href="{PATH}?{query}#orders"' in page
    door = Client()
    door.force_login(make_user("staff"))
    assert PATH not in door.get("/admin/orders/order/").content.decode()


def test_filters_that_no_file_knows_are_named(office):
    page = office.get("/admin/orders/order/?status__exact=paid&paid_by=cash&q=ana").content.decode()
    link = next(part for part in page.split('"') if part.startswith("/admin/exports/?what=orders")).replace(
        "&amp;", "&"
    )

    said = "The list you come from was also filtered by: paid by, search."
    assert said in office.get(link).content.decode()
    assert "also filtered by" not in office.get("/admin/exports/?what=orders").content.decode()


@pytest.mark.parametrize(
    ("what", "choices"),
    [
        ("orders", {"event_id": "nothing"}),
        ("orders", {"status": "sold"}),
        ("orders", {"first_day": "2026-02-30"}),
        ("orders", {"first_day": "0001-01-01"}),
        ("orders", {"last_day": "9999-12-31"}),
        ("orders", {"first_day": "2026-06-02", "last_day": "2026-06-01"}),
        ("orders", {"format": "exe"}),
        ("revenue", {"by": "guest"}),
        ("newsletter", {"state": "gone"}),
    ],
)
def test_wrong_choices_are_explained_and_leave_no_trace(office, what, choices):
    make_order(status="paid")

    response = office.post(PATH, {"what": what, "format": "csv", "by": "event", **choices})

    assert (response.status_code, response.headers["Content-Type"]) == (422, "text/html; charset=utf-8")
    assert not AuditLog.objects.filter(action="EXPORT").exists()


def test_where_nothing_fits_there_is_no_file(office):
    response = office.post(PATH, {"what": "orders", "format": "csv"})

    assert response.status_code == 422
    assert "Nothing fits these choices" in response.content.decode()
    assert not AuditLog.objects.filter(action="EXPORT").exists()


def test_more_rows_than_excel_holds_are_refused(office, monkeypatch):
    monkeypatch.setattr("homeproductions.export_page.SHEET_ROWS", 2)
    make_order()
    assert len(take(office, "orders", "xlsx")) == 1

    make_order()
    response = office.post(PATH, {"what": "orders", "format": "xlsx"})

    assert (response.status_code, "Take the CSV" in response.content.decode()) == (422, True)


def navigation(user):
    """Where the navigation leads somebody."""
    request = RequestFactory().get("/admin/")
    request.user = user
    return [page["admin_url"] for group in admin.site.get_app_list(request) for page in group["models"]]


@pytest.mark.parametrize("role", ["admin", "superadmin"])
def test_the_office_sees_the_page_and_finds_it(client, role):
    user = make_user(role)
    client.force_login(user)

    assert client.get(PATH).status_code == 200
    assert PATH in navigation(user)


@pytest.mark.parametrize("what", KINDS)
def test_door_staff_take_nothing_away(client, what):
    user = make_user("staff")
    client.force_login(user)
    make_order(status="paid")

    assert client.get(PATH).status_code == 403
    assert client.post(PATH, {"what": what, "format": "csv", "by": "event"}).status_code == 403
    assert PATH not in navigation(user)
    assert not AuditLog.objects.filter(action="EXPORT").exists()


@pytest.mark.parametrize("what", KINDS)
def test_nobody_takes_anything_away_without_signing_in(client, what):
    response = client.post(PATH, {"what": what, "format": "csv"})

    assert (response.status_code, response.url) == (302, f"/admin/login/?next={PATH}")


def test_a_file_that_nobody_knows_is_refused(office):
    assert office.post(PATH, {"what": "passwords", "format": "csv"}).status_code == 403


def test_another_site_cannot_make_somebody_export():
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("admin"))
    make_order()

    assert client.post(PATH, {"what": "orders", "format": "csv"}).status_code == 403
    assert not AuditLog.objects.filter(action="EXPORT").exists()


# --- The audit ------------------------------------------------------------------------------------------------


def test_who_took_what_is_in_the_audit_but_nobody_s_name(client):
    user = make_user("admin")
    client.force_login(user)
    night = make_order(status="paid", buyer_phone="+502 5555 1234").event

    take(client, "orders", "xlsx", event_id=night.pk, status="paid", last_day="2100-01-01")

    [entry] = AuditLog.objects.filter(action__startswith="EXPORT")
    assert (entry.user, entry.action, entry.entity_type, entry.ip_address) == (user, "EXPORT", "orders", "127.0.0.1")
    assert entry.new_value == {
        "event_id": str(night.pk),
        "status": "paid",
        "last_day": "2100-01-01",
        "format": "xlsx",
        "rows": 1,
    }


@pytest.mark.parametrize("what", KINDS)
def test_every_file_is_audited_without_personal_data(office, what):
    make_order(status="paid", buyer_phone="+502 5555 1234")
    Subscriber.objects.create(email="news@example.com")

    rows = take(office, what)

    entry = AuditLog.objects.get(action="EXPORT")
    assert (entry.entity_type, entry.new_value["rows"], len(rows)) == (what, 1, 1)
    said = json.dumps(entry.new_value)
    assert not any(word in said for word in ("@", "Lucía", "5555"))


def test_it_is_audited_before_the_first_byte(office):
    make_order()

    response = office.post(PATH, {"what": "orders", "format": "csv"})

    assert AuditLog.objects.filter(action="EXPORT").exists()
    response.close()


@pytest.mark.django_db(transaction=True)
def test_a_client_that_goes_away_ends_the_export_and_the_audit_says_so(client, monkeypatch):
    monkeypatch.setattr("homeproductions.office.exports.ROWS_AT_ONCE", 2)
    user = make_user("admin")
    client.force_login(user)
    for _ in range(5):
        make_order()

    answer = served(client, {"what": "orders", "format": "csv"})
    next(iter(answer))
    answer.close()

    entry = AuditLog.objects.get(action="EXPORT_ENDED")
    assert (entry.user, entry.ip_address, entry.entity_type) == (user, "127.0.0.1", "orders")
    assert entry.new_value == {"rows": 2, "announced": 5}


def served(client, data):
    """The answer as a web server gets it; the test client would read it to the end."""
    factory = RequestFactory()
    factory.cookies.update(client.cookies)
    factory.cookies["csrftoken"] = token = "a" * 32
    environ = factory.post(PATH, {**data, "csrfmiddlewaretoken": token}).environ
    return WSGIHandler()(environ, lambda status, headers: None)
