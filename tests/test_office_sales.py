"""Selling, mending and letting in, done by somebody at a browser."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from homeproductions.mail.models import OutboxEmail
from orders.models import CheckIn, Order, Payment
from orders.services import status
from tests import provider_bodies as bodies
from tests.browser import DESK, PHONE, visitor  # noqa: F401  (a fixture)
from tests.factories import make_event, make_order, make_tier, make_user
from tests.provider_bodies import receive


@pytest.fixture
def office(visitor):  # noqa: F811
    visitor.sign_in(make_user("admin"))
    return visitor


def tonight(**fields):
    now = timezone.localtime()
    return make_tier(make_event(name="Luna Llena", event_date=now.date(), event_time=now.time()), **fields)


def test_guest_is_found_and_the_ticket_mailed_to_a_corrected_address(office):
    order = make_order(tonight(), "paid", buyer_name="José Pérez", buyer_email="jose@exmaple.com")
    make_order(order.tier, "paid")

    page = office.open("/admin/orders/order/")
    page.get_by_label("Search by number, name, e-mail or telephone").fill("jose perez")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="José Pérez").click()
    office.press("Mail the ticket again")
    page.get_by_label("To:", exact=True).fill("jose@example.com")
    office.press("Mail the ticket again")

    expect(page.get_by_text("The ticket is on its way to jose@example.com.")).to_be_visible()
    expect(page.get_by_text("jose@exmaple.com", exact=True)).to_be_visible()
    assert OutboxEmail.objects.get().recipient_email == "jose@example.com"
    assert office.barriers() == []


def test_late_payment_is_accepted_from_its_evidence(office):
    order = make_order(tonight(), quantity=2)
    status.cancel(order.pk)
    receive(bodies.recurrente(order))

    page = office.open("/admin/money/")
    page.get_by_role("link", name="51.00 USD").click()
    expect(page.get_by_text("the payment names it, same e-mail, same amount")).to_be_visible()
    assert office.barriers() == []
    page.get_by_role("region", name="Orders it may be for").get_by_role("link", name="Accept as a new order").click()
    office.press("Accept as a new order")

    expect(page.get_by_text("is paid; its ticket is on its way to lucia@example.com.")).to_be_visible()
    assert (Payment.objects.get().outcome, Order.objects.filter(status="paid").count()) == ("accepted_late", 1)


def test_ticket_is_sold_at_the_door_and_shown(office):
    tier = tonight()
    page = office.page
    page.set_viewport_size(PHONE)

    office.open("/admin/orders/order/")
    office.press("Sell at the door")
    page.get_by_label("How many").fill("3")
    expect(page.get_by_text("Take 76.50 USD")).to_be_visible()
    assert office.barriers() == []
    office.press("Sell at the door")

    order = Order.objects.get()
    expect(page.get_by_role("img", name="Entry code")).to_be_visible()
    expect(page.get_by_text("Admits 3")).to_be_visible()
    assert office.barriers() == []
    assert (order.status, order.payment_method, order.quantity) == ("paid", "cash", 3)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    office.press("Sell the next one")
    assert page.get_by_label("Ticket").input_value() == str(tier.pk)


def test_guest_is_let_in_from_the_door_list_with_two_taps(visitor):  # noqa: F811
    tier = tonight()
    make_order(tier, "paid", buyer_name="Ana Ajú", quantity=4)
    make_order(tier, "paid", buyer_name="Bruno Paz")
    visitor.sign_in(make_user("staff"))
    page = visitor.page
    page.set_viewport_size(PHONE)

    visitor.open("/admin/door/")
    page.get_by_role("link", name="Luna Llena").click()
    page.get_by_role("searchbox").fill("ana")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Clear").wait_for()
    assert visitor.barriers() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_text("Let in", exact=True).click()
    page.get_by_label("People", exact=True).select_option("3")
    page.get_by_role("button", name="Let Ana Ajú in").click()

    expect(page.get_by_text("Welcome, Ana Ajú! 3 of")).to_be_visible()
    expect(page.get_by_text("3 of 4 in")).to_be_visible()
    assert CheckIn.objects.get().admitted == 3


def test_door_list_is_used_with_the_keyboard_alone(visitor):  # noqa: F811
    order = make_order(tonight(), "paid", buyer_name="Ana Ajú")
    visitor.sign_in(make_user("staff"))
    page = visitor.open(f"/admin/door/{order.event_id}/")

    page.get_by_text("Let in", exact=True).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    page.get_by_text("Welcome, Ana Ajú!").wait_for()
    assert CheckIn.objects.get().order == order


def test_filters_of_orders_are_menus(office):
    tier = tonight()
    wanted, other = make_order(tier, "paid", buyer_name="Ana Ajú"), make_order(buyer_name="Bruno Paz")

    page = office.open("/admin/orders/order/")
    page.get_by_text("Event: All").or_(page.locator("summary", has_text="Event")).first.click()
    page.get_by_label("Event", exact=True).select_option(str(tier.event_id))
    page.get_by_role("button", name="Show").first.click()

    expect(page.get_by_text(wanted.order_number)).to_be_visible()
    expect(page.get_by_text(other.order_number)).not_to_be_visible()
    assert office.barriers() == []


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_pages_have_no_barriers(office, size):
    order = make_order(tonight(), "paid")
    pending = make_order(order.tier)
    receive(bodies.recurrente(pending, amount_in_cents=1))
    payment = Payment.objects.get()
    office.page.set_viewport_size(size)
    paths = [
        "/admin/orders/order/",
        f"/admin/orders/order/{order.pk}/change/",
        f"/admin/orders/order/{order.pk}/do/refund/",
        "/admin/orders/payment/?waiting=1",
        f"/admin/orders/payment/{payment.pk}/change/",
        f"/admin/orders/webhookdelivery/{payment.delivery_id}/change/",
        "/admin/orders/journalentry/",
        "/admin/orders/checkin/",
        "/admin/door/",
        f"/admin/door/{order.event_id}/",
        f"/admin/door/{order.event_id}/?print=1",
    ]

    found = {path: office.open(path) and office.barriers() for path in paths}

    assert {path: barriers for path, barriers in found.items() if barriers} == {}
