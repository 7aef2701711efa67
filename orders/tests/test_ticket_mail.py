"""The mail with the ticket: what a guest finds in it, and who gets none."""

import io
import json
from datetime import UTC, date, datetime, time

import pytest
import zxingcpp
from constance import config
from icalendar import Calendar
from PIL import Image

from homeproductions.mail.delivery import process_due
from homeproductions.mail.models import OutboxEmail
from orders.mails import queue_ticket
from orders.models import Order
from orders.services.tickets import hash_code
from tests.factories import make_event, make_order, make_tier

pytestmark = pytest.mark.django_db
NIGHT = {
    "name": "Noche Blanca",
    "venue": "Casa Comal",
    "location": "Antigua",
    "event_date": date(2026, 12, 31),
    "event_time": time(21, 0),
    "end_time": time(3, 0),
}


def paid_order(event=None, tier="VIP", **fields):
    night = make_event(
        **{"name": "Noche Blanca", "venue": "Casa Comal", "location": "Antigua", **NIGHT, **(event or {})}
    )
    return make_order(make_tier(night, name=tier), "paid", **fields)


@pytest.fixture
def mail_of(mailoutbox):
    """Queue and deliver the ticket of an order, and return the message that arrived."""

    def deliver(order):
        queue_ticket(order)
        process_due()
        return mailoutbox[-1]

    return deliver


def parts_of(message):
    return {part.get_content_type(): part for part in message.message().walk()}


def text_of(message, content_type):
    return parts_of(message)[content_type].get_payload(decode=True).decode()


def test_queued_ticket_names_the_event_and_fits_whatever_its_name():
    email = queue_ticket(paid_order({"name": "Noche\r\nBlanca"}))

    assert (email.subject, email.recipient_email) == ("🎫 Your Ticket: Noche Blanca", "lucia@example.com")


def test_ticket_goes_to_the_corrected_address():
    order = paid_order()
    order.corrected_email = "other@example.com"

    assert queue_ticket(order).recipient_email == "other@example.com"


def test_guest_without_an_address_gets_no_mail():
    order = paid_order()
    order.buyer_email = ""

    assert queue_ticket(order) is None
    assert not OutboxEmail.objects.exists()


@pytest.mark.parametrize("content_type", ["text/plain", "text/html"])
def test_both_texts_say_what_a_guest_needs(mail_of, content_type):
    config.contact_email = "help@hp.example"
    order = paid_order(quantity=4)

    text = text_of(mail_of(order), content_type)

    expected = [
        "Lucía Pérez",
        "Noche Blanca",
        "Casa Comal, Antigua",
        "Thursday, December 31, 2026",
        "9:00 PM to 3:00 AM",
    ]
    expected += ["VIP", "Admits 4 people", order.order_number, "help@hp.example", "Home Productions"]
    assert [fact for fact in expected if fact not in text] == []


def test_one_person_is_no_people(mail_of):
    assert "Admits 1 person\n" in text_of(mail_of(paid_order()), "text/plain")


def test_html_escapes_what_people_typed_and_the_text_part_does_not(mail_of):
    message = mail_of(paid_order({"name": "<b>R&B</b>"}, buyer_name="<script>alert(1)</script>"))

    html = text_of(message, "text/html")
    assert "&lt;script&gt;" in html
    assert "<script" not in html
    assert "<b>" not in html
    assert "<b>R&B</b>" in text_of(message, "text/plain")


def test_picture_belongs_to_the_text_and_the_calendar_lies_beside_it(mail_of):
    message = mail_of(paid_order()).message()

    related, calendar = message.get_payload()
    alternative, picture = related.get_payload()
    kinds = [part.get_content_type() for part in (message, related, alternative, picture, calendar)]
    assert kinds == ["multipart/mixed", "multipart/related", "multipart/alternative", "image/png", "text/calendar"]
    assert (picture["Content-ID"], picture.get_filename()) == ("<qrcode>", "ticket-qr.png")
    assert picture.get_content_disposition() == "inline"
    assert related.get_param("type") == "multipart/alternative"


def test_html_shows_the_attached_picture(mail_of):
    assert 'src="cid:qrcode"' in text_of(mail_of(paid_order()), "text/html")


def test_picture_holds_the_code_that_the_door_accepts(mail_of):
    order = paid_order()

    png = parts_of(mail_of(order))["image/png"].get_payload(decode=True)

    content = json.loads(zxingcpp.read_barcode(Image.open(io.BytesIO(png))).text)
    assert content["id"] == order.order_number
    assert hash_code(content["qr"]) == order.qr_code_hash


def test_changed_key_mails_a_code_that_the_door_accepts(mail_of, settings):
    order = paid_order()
    settings.TICKET_KEY = "another key that is long enough to be one"

    png = parts_of(mail_of(order))["image/png"].get_payload(decode=True)

    content = json.loads(zxingcpp.read_barcode(Image.open(io.BytesIO(png))).text)
    assert hash_code(content["qr"]) == Order.objects.get().qr_code_hash != order.qr_code_hash


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (time(3, 0), datetime(2027, 1, 1, 9, tzinfo=UTC)),
        (time(23, 30), datetime(2027, 1, 1, 5, 30, tzinfo=UTC)),
        (time(21, 0), datetime(2027, 1, 2, 3, tzinfo=UTC)),
        (None, datetime(2027, 1, 1, 9, tzinfo=UTC)),
    ],
)
def test_calendar_knows_when_the_night_begins_and_ends(mail_of, end, expected):
    order = paid_order({"end_time": end})

    file = parts_of(mail_of(order))["text/calendar"]

    (night,) = Calendar.from_ical(file.get_payload(decode=True)).walk("VEVENT")
    assert (night.decoded("dtstart"), night.decoded("dtend")) == (datetime(2027, 1, 1, 3, tzinfo=UTC), expected)
    assert (str(night["summary"]), str(night["location"])) == ("Noche Blanca", "Casa Comal, Antigua")
    assert str(night["uid"]).startswith(f"{order.pk}@")


@pytest.mark.parametrize("status", ["pending", "cancelled", "refunded"])
def test_only_a_paid_order_gets_a_ticket(mailoutbox, status):
    queue_ticket(make_order(status=status))

    process_due()

    email = OutboxEmail.objects.get()
    assert (email.status, email.error_message) == ("failed", f"the order is {status}, not paid")
    assert mailoutbox == []
