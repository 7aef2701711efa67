"""What is in the files of orders and of guests."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from orders.exports import OrderRows
from orders.models import CheckIn
from tests.factories import make_order, make_tier

from .exports import take

pytestmark = pytest.mark.django_db


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
