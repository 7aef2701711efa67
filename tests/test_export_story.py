"""Taking lists away and bringing one in, done in a real browser under the headers of production."""

import csv

import openpyxl
from playwright.sync_api import expect

from audit.models import AuditLog
from newsletter.models import Subscriber
from tests.browser import DESK, PHONE, visitor  # noqa: F401  (a fixture)
from tests.factories import make_order, make_user


def take(page, card, kind):
    with page.expect_download() as download:
        page.get_by_role("button", name=f"{kind} file: {card}").click()
    return download.value


def test_take_orders_and_revenue_away(visitor, tmp_path):  # noqa: F811
    paid, _ = make_order(status="paid", buyer_name="=1+1"), make_order()
    user = make_user("admin")
    visitor.sign_in(user)

    page = visitor.open("/admin/exports/?what=orders&status=paid#orders")
    orders = take(page, "Orders", "CSV")
    with open(orders.path(), encoding="utf-8-sig", newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["Order"], row["Guest"]) == (paid.order_number, "'=1+1")
    assert orders.suggested_filename == "orders-paid.csv"

    page.get_by_label("A row for each").select_option("Tier")
    revenue = take(page, "Revenue", "Excel")
    assert revenue.suggested_filename == "revenue-by-tier.xlsx"
    path = tmp_path / revenue.suggested_filename
    revenue.save_as(path)
    header, row = openpyxl.load_workbook(path).active.values
    assert dict(zip(header, row, strict=True))["Revenue"] == 25.5

    entries = AuditLog.objects.filter(action="EXPORT", user=user)
    assert sorted(entry.entity_type for entry in entries) == ["orders", "revenue"]


def test_bring_a_list_in_and_take_somebody_off(visitor):  # noqa: F811
    Subscriber.objects.create(email="known@example.com")
    visitor.sign_in(make_user("admin"))

    page = visitor.open("/admin/newsletter/subscriber/")
    visitor.press("Import")
    content = "E-mail;Name\nnew@example.com;José\nknown@example.com;Ana\nnobody;Luis\n".encode("cp1252")
    page.get_by_label("CSV file").set_input_files([{"name": "list.csv", "mimeType": "text/csv", "buffer": content}])
    visitor.press("Look at it first")
    expect(page.get_by_text("Will be added (1)")).to_be_visible()
    expect(page.get_by_text("line 4: nobody (not an e-mail address)")).to_be_visible()
    page.get_by_label("These people have agreed").check()
    visitor.press("Add 1 address")
    expect(page.get_by_text("1 new address: each gets a mail with a link")).to_be_visible()

    page.get_by_role("link", name="known@example.com").click()
    visitor.press("Unsubscribe")
    visitor.press("Unsubscribe")
    expect(page.get_by_text("Off the list.")).to_be_visible()

    states = {subscriber.email: subscriber.state for subscriber in Subscriber.objects.all()}
    assert states == {"new@example.com": "waiting", "known@example.com": "left"}


def test_the_pages_fit_and_are_no_obstacle(visitor):  # noqa: F811
    visitor.sign_in(make_user("admin"))
    for size in (DESK, PHONE):
        visitor.page.set_viewport_size(size)
        for path in ("/admin/exports/", "/admin/newsletter/subscriber/import/"):
            page = visitor.open(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
            assert visitor.barriers() == [], path
