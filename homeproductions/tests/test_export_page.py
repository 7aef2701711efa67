"""Taking figures and lists away, from the page to the last byte."""

import csv
import io
import json
import tracemalloc
import weakref
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO

import openpyxl
import pytest
from django.contrib import admin
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.db.models.signals import post_init
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditLog
from homeproductions.office.exports import ROWS_AT_ONCE
from newsletter.models import Subscriber
from orders import season as figures
from orders import statistics
from orders.exports import OrderRows
from orders.models import CheckIn, JournalEntry, Order
from orders.queries import listed
from tests.factories import make_event, make_order, make_tier, make_user

pytestmark = pytest.mark.django_db
PATH = "/admin/exports/"
KINDS = ("orders", "guests", "revenue", "newsletter")


@pytest.fixture
def office(client):
    client.force_login(make_user("admin"))
    return client


def take(client, what, format_name="csv", **choices):
    """The rows of a file as dictionaries, values as the file has them."""
    by = {"by": "event"} if what == "revenue" else {}
    response = client.post(PATH, {"what": what, "format": format_name, **by, **choices})
    assert response.status_code == 200, response.content
    content = b"".join(response.streaming_content)
    if format_name == "csv":
        return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    header, *rows = openpyxl.load_workbook(BytesIO(content)).active.values
    return [dict(zip(header, row, strict=True)) for row in rows]


def placed(moment, **fields):
    return make_order(created_at=moment, **fields)


# --- Orders ---------------------------------------------------------------------------------------------------


def test_orders_hold_what_the_office_asks_about(office):
    order = make_order(status="paid", quantity=2, buyer_name="=1+1", buyer_phone="+502 5555", referral_source="radio")
    CheckIn.objects.create(order=order, admitted=1)

    [row] = take(office, "orders")

    assert row["Order"] == order.order_number
    assert (row["Event"], row["Tier"], row["Status"]) == (order.event.name, "General", "paid")
    assert (row["Tickets"], row["Unit price"], row["Total"], row["Currency"]) == ("2", "25.50", "51.00", "USD")
    assert (row["Guest"], row["Phone"], row["E-mail"]) == ("'=1+1", "'+502 5555", "lucia@example.com")
    assert (row["People in"], row["Came from"]) == ("1", "radio")


def test_the_same_rows_in_both_formats(office):
    for number in range(3):
        make_order(status="paid", quantity=number + 1)

    in_csv, in_xlsx = take(office, "orders"), take(office, "orders", "xlsx")

    assert [row["Order"] for row in in_csv] == [row["Order"] for row in in_xlsx]
    assert [row["Total"] for row in in_xlsx] == [76.5, 51, 25.5]
    assert isinstance(in_xlsx[0]["Placed"], datetime)
    assert list(in_csv[0]) == list(in_xlsx[0]) == OrderRows().get_export_headers()


def test_choices_narrow_the_orders(office):
    wanted = make_order(status="paid")
    make_order(status="paid")
    make_order(tier=wanted.tier, status="cancelled")
    make_order(tier=wanted.tier, status="paid", is_test=True)

    rows = take(office, "orders", event_id=wanted.event_id, status="paid")

    assert [row["Order"] for row in rows] == [wanted.order_number]


def test_days_are_those_of_the_house_and_both_ends_count(office, settings):
    settings.TIME_ZONE = "America/Guatemala"  # six hours behind UTC
    inside = [
        placed(datetime(2026, 6, 1, 6, tzinfo=UTC)),
        placed(datetime(2026, 6, 3, 5, 59, 59, tzinfo=UTC)),
    ]
    placed(datetime(2026, 6, 1, 5, 59, 59, tzinfo=UTC))
    placed(datetime(2026, 6, 3, 6, tzinfo=UTC))

    rows = take(office, "orders", first_day="2026-06-01", last_day="2026-06-02")

    assert {row["Order"] for row in rows} == {order.order_number for order in inside}


# --- Guests ---------------------------------------------------------------------------------------------------


def test_a_guest_is_an_address_as_they_last_wrote_themselves(office):
    now = timezone.now()
    tier = make_tier()
    old = {"buyer_name": "Lucia", "buyer_email": "Lucia@Example.com", "buyer_phone": "5555 1111"}
    placed(now - timedelta(days=2), tier=tier, status="paid", quantity=2, **old)
    placed(now - timedelta(days=1), status="paid", quantity=1, buyer_name="Lucía Pérez", buyer_phone="")
    placed(now, status="pending", buyer_name="Somebody else")

    [guest] = take(office, "guests")

    assert (guest["E-mail"], guest["Guest"], guest["Phone"]) == ("lucia@example.com", "Lucía Pérez", "5555 1111")
    assert (guest["Paid orders"], guest["Tickets"], guest["Nights"]) == ("2", "3", "2")
    assert [row["Tickets"] for row in take(office, "guests", event_id=tier.event_id)] == ["2"]


def test_a_guest_is_known_by_the_address_that_mail_reaches(office):
    make_order(status="paid", buyer_email="lucia@exampel.com", corrected_email="Lucia@example.com")
    make_order(status="paid", buyer_email="lucia@example.com")

    assert [(row["E-mail"], row["Paid orders"]) for row in take(office, "guests")] == [("lucia@example.com", "2")]
    typed = {(row["E-mail"], row["Corrected e-mail"]) for row in take(office, "orders")}
    assert typed == {("lucia@exampel.com", "Lucia@example.com"), ("lucia@example.com", "")}


def test_guests_without_an_address_are_not_one_person(office):
    for name in ("Ana", "Luis"):
        make_order(status="paid", buyer_email="", buyer_name=name)
    make_order(status="paid")

    assert [row["Guest"] for row in take(office, "guests")] == ["Lucía Pérez", "Luis", "Ana"]


# --- Revenue --------------------------------------------------------------------------------------------------


@pytest.fixture
def season():
    """Two nights, two currencies, a refund, money that was not the price, and a fee."""
    night, other = make_event(name="Luna"), make_event(name="Sol")
    general, vip = make_tier(night), make_tier(night, name="VIP", price=100)
    make_order(general, "paid", quantity=2)
    make_order(general, "refunded")
    make_order(general, "cancelled")
    make_order(vip, "paid", is_test=True)
    in_quetzales = make_tier(other, price=400, currency="GTQ")
    make_order(in_quetzales, "paid")
    order = make_order(vip, "paid")
    entry = {"order": order, "event": night, "tier": vip}
    JournalEntry.objects.create(kind="adjustment", amount=-100, currency="USD", **entry)
    JournalEntry.objects.create(kind="adjustment", amount=780, currency="GTQ", **entry)
    JournalEntry.objects.create(kind="fee", amount=-30, currency="GTQ", **entry)
    yesterday = timezone.now() - timedelta(days=1)
    JournalEntry.objects.create(kind="refund", amount="-5.50", currency="GTQ", created_at=yesterday, **entry)
    return night


def sums(rows, column="Revenue"):
    by_currency = {}
    for row in rows:
        by_currency[row["Currency"]] = by_currency.get(row["Currency"], 0) + Decimal(str(row[column]))
    return by_currency


@pytest.mark.parametrize("by", ["event", "tier", "day"])
@pytest.mark.parametrize("format_name", ["csv", "xlsx"])
def test_revenue_agrees_with_the_statistics_by_currency(office, season, by, format_name):
    rows = take(office, "revenue", format_name, by=by)

    assert sums(rows) == figures.total(figures.season()).earned == {"USD": Decimal("51.00"), "GTQ": Decimal("1174.50")}
    assert sums(rows, "Fees") == {"USD": 0, "GTQ": -30}
    of_night = take(office, "revenue", format_name, by=by, event_id=season.pk)
    assert sums(of_night) == figures.season()[season.pk].earned == {"USD": Decimal("51.00"), "GTQ": Decimal("774.50")}


def test_revenue_has_a_row_for_each_thing_and_currency(office, season):
    def keys(by, *names):
        return [tuple(row[name] for name in names) for row in take(office, "revenue", by=by)]

    assert keys("event", "Event", "Currency") == [("Luna", "GTQ"), ("Luna", "USD"), ("Sol", "GTQ")]
    assert sorted(keys("tier", "Tier", "Currency", "Revenue")) == [
        ("General", "GTQ", "400.00"),
        ("General", "USD", "51.00"),
        ("VIP", "GTQ", "774.50"),
        ("VIP", "USD", "0.00"),
    ]
    today, yesterday = (str(timezone.localdate() - timedelta(days=days)) for days in (0, 1))
    assert keys("day", "Day", "Currency", "Refunds") == [
        (yesterday, "GTQ", "-5.50"),
        (today, "GTQ", "0.00"),
        (today, "USD", "-25.50"),
    ]


def test_revenue_adds_up_within_a_row(office, season):
    for row in take(office, "revenue", by="tier"):
        money = {name: Decimal(row[name]) for name in ("Sales", "Adjustments", "Refunds", "Revenue", "Fees")}
        assert money["Sales"] + money["Adjustments"] + money["Refunds"] == money["Revenue"]
        assert money["Revenue"] + money["Fees"] == Decimal(row["After fees"])
    paid = sum(int(row["Tickets paid"]) for row in take(office, "revenue"))
    assert paid == figures.total(figures.season()).tickets + 1  # one was refunded since


def test_revenue_by_day_agrees_with_the_days_of_the_dashboard(office, season):
    days = statistics.per_day(timezone.localdate(), 5)

    rows = take(office, "revenue", by="day", first_day=days[0].date, last_day=days[-1].date)

    found = {(row["Day"], row["Currency"]): Decimal(row["Revenue"]) for row in rows}
    assert found == {(str(day.date), currency): sum for day in days for currency, sum in day.earned.items()}


def test_two_nights_of_one_name_stay_apart(office):
    for _ in range(2):
        make_order(make_tier(make_event(name="Luna")), "paid")

    assert len(take(office, "revenue")) == 2


def test_revenue_of_some_days_is_what_was_booked_then(office, season):
    yesterday = timezone.localdate() - timedelta(days=1)

    [row] = take(office, "revenue", last_day=yesterday)

    assert (row["Currency"], row["Revenue"]) == ("GTQ", "-5.50")


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


# --- Fifty thousand -------------------------------------------------------------------------------------------

ORDERS = 50_000
# The triggers would look at each row; here they only cost time.
FILL = """
INSERT INTO orders (id, order_number, event_id, tier_id, buyer_name, buyer_email, quantity, unit_price, total_price,
                    currency, status, qr_code_hash, code_version, is_test, created_at, updated_at)
SELECT gen_random_uuid(), 'HP26-' || n, %(event)s, %(tier)s, 'Guest ' || n, 'guest' || n || '@example.com', 1, 10, 10,
       'USD', 'paid', md5(n::text), 1, false, now() - (n / 3) * interval '1 minute', now()
  FROM generate_series(1, %(orders)s) n;
ANALYZE orders;
"""


@pytest.fixture
def fifty_thousand():
    fill(ORDERS)


@pytest.fixture
def six_thousand():
    fill(6_000)


def fill(orders):
    tier = make_tier(quantity=orders)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE orders DISABLE TRIGGER USER")
        cursor.execute(FILL, {"event": tier.event_id, "tier": tier.pk, "orders": orders})


def peak(work):
    """The most megabytes that the work held at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


@pytest.fixture
def alive():
    """The orders in memory: `most` is how many there were at once."""

    class Alive(weakref.WeakSet):
        most = 0

        def note(self, instance, **kwargs):
            self.add(instance)
            self.most = max(self.most, len(self))

    orders = Alive()
    post_init.connect(orders.note, sender=Order)
    yield orders
    post_init.disconnect(orders.note, sender=Order)


def test_fifty_thousand_orders_come_once_each_and_few_are_in_memory(office, fifty_thousand, alive):
    response = office.post(PATH, {"what": "orders", "format": "csv"})
    numbers = set()
    lines = 0
    for part in response.streaming_content:
        found = [line.split(b",")[0] for line in part.splitlines()]
        lines, numbers = lines + len(found), numbers | set(found)

    assert lines == len(numbers) == ORDERS + 1  # three at a time were placed in the same minute
    assert [(entry.action, entry.new_value["rows"]) for entry in AuditLog.objects.filter(entity_type="orders")] == [
        ("EXPORT", ORDERS)
    ]
    assert alive.most <= 2 * ROWS_AT_ONCE
    kept = list(listed()[:10_000])  # the control: they would be seen
    assert alive.most == len(kept)


def test_an_excel_file_holds_few_orders_at_once(office, six_thousand, alive):
    response = office.post(PATH, {"what": "orders", "format": "xlsx"})

    assert sum(len(part) for part in response.streaming_content) > 2**17
    assert alive.most <= 2 * ROWS_AT_ONCE


@pytest.mark.parametrize("what", ["orders", "guests"])
def test_an_export_takes_little_memory(office, six_thousand, what):
    def export():
        response = office.post(PATH, {"what": what, "format": "csv"})
        assert sum(part.count(b"\n") for part in response.streaming_content) == 6_001

    assert peak(export) < 10
    assert peak(lambda: list(listed())) > 20  # the control: so much they would take


@pytest.mark.parametrize("what", KINDS)
def test_as_many_queries_for_many_rows_as_for_few(office, what):
    def queries():
        with CaptureQueriesContext(connection) as found:
            take(office, what)
        return len(found)

    def add(number):
        make_order(status="paid", buyer_email=f"guest{number}@example.com")
        Subscriber.objects.create(email=f"guest{number}@example.com")

    add(1)
    for_one = queries()
    for number in range(2, 5):
        add(number)

    assert queries() == for_one


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
