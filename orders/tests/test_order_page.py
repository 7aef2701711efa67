"""The page behind an order's link: what each state shows, and that the link stays with the guest."""

import io
import uuid
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from html.parser import HTMLParser

import pytest
import zxingcpp
from constance import config
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from PIL import Image

from homeproductions.logs import scrub
from orders import journal, links
from orders.models import CheckIn, Order, Payment
from orders.services import paying, review
from orders.services.tickets import hash_code
from tests import payment_provider
from tests.factories import make_event, make_order, make_tier, make_user

pytestmark = pytest.mark.django_db
OWN, OF_TIER = "https://pay.example/mine", "https://pay.example/all"
NIGHT = {
    "name": "Noche Blanca",
    "venue": "Casa Comal",
    "location": "Antigua",
    "event_date": date(2026, 12, 31),
    "event_time": time(21, 0),
    "end_time": time(3, 0),
}


@pytest.fixture
def guest():
    """A browser without cookies, with CSRF checks as in production."""
    return Client(enforce_csrf_checks=True, raise_request_exception=False)


@pytest.fixture
def recurrente(settings, monkeypatch):
    monkeypatch.setattr(paying, "_rests_until", {})
    settings.RECURRENTE_PUBLIC_KEY, settings.RECURRENTE_SECRET_KEY = (
        payment_provider.PUBLIC_KEY,
        payment_provider.SECRET_KEY,
    )
    with payment_provider.running() as provider:
        settings.RECURRENTE_API_URL = f"{provider.address}/recurrente"
        yield provider


def order_in(status="pending", event=None, tier=None, **fields):
    night = make_event(**{**NIGHT, **(event or {})})
    return make_order(make_tier(night, name="VIP", **(tier or {})), status, quantity=2, **fields)


def path_of(order):
    return f"/orders/{links.token_of(order)}/"


def charge(order, reason="", **fields):
    """Money that came for the order; with a reason it waits for a person."""
    money = {"amount_minor": int(order.total_price * 100), "currency": order.currency}
    return Payment.objects.create(
        order=order, provider="recurrente", reference=str(uuid.uuid4()), needs_review=reason, **{**money, **fields}
    )


def accepted(order):
    """The order that a person made in place of a closed one, for money that came too late."""
    return review.accept_late(charge(order, "late_payment").pk, actor=make_user("admin"))


class Shown(HTMLParser):
    """The words on a page, and its links and buttons."""

    def __init__(self, response):
        super().__init__()
        self.words, self.tags = [], []
        self.feed(response.content.decode())
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def ways_out(self):
        return [link["href"] for link in self.all("a") if link["href"].startswith("https:")]


def test_page_says_what_was_ordered(guest):
    config.contact_email = "help@hp.example"

    response = guest.get(path_of(order_in()))

    page = Shown(response)
    expected = ["Noche Blanca", "Thursday, December 31, 2026", "9:00 PM to 3:00 AM", "Casa Comal, Antigua"]
    expected += ["VIP, 2 people", "51.00 USD", "Lucía Pérez", "lucia@example.com", "help@hp.example"]
    expected.append(Order.objects.get().order_number)
    assert (response.status_code, [fact for fact in expected if fact not in page.text]) == (200, [])


STATES = {
    "pending": ({}, "Waiting for your payment"),
    "late": ({"hold_expires_at": timedelta(minutes=-1)}, "The time to pay is over"),
    "ticket": ({"status": "paid"}, "Noche Blanca"),
    "cancelled": ({"status": "cancelled"}, "This order was cancelled"),
    "expired": (
        {"status": "cancelled", "hold_expires_at": timedelta(-1), "cancelled_at": timedelta(0)},
        "This order has expired",
    ),
    "cancelled in time": (
        {"status": "cancelled", "hold_expires_at": timedelta(1), "cancelled_at": timedelta(0)},
        "This order was cancelled",
    ),
    "refunded": ({"status": "refunded"}, "This order was refunded"),
    "off": ({"event": {"status": "cancelled"}}, "This event was cancelled"),
    "off and paid": ({"status": "paid", "event": {"status": "deleted"}}, "This event was cancelled"),
    "off and refunded": ({"status": "refunded", "event": {"status": "cancelled"}}, "This order was refunded"),
}


@pytest.mark.parametrize(("fields", "title"), STATES.values(), ids=STATES.keys())
def test_each_state_has_its_page(guest, fields, title):
    now = timezone.now()
    fields = {key: now + value if isinstance(value, timedelta) else value for key, value in fields.items()}
    order = order_in(tier={"payment_link": OF_TIER}, checkout_url=OWN, **fields)

    page = Shown(guest.get(path_of(order)))

    assert f"<h1>{title}</h1>" in guest.get(path_of(order)).content.decode()
    # Only somebody who is to pay is sent to pay, and only a ticket that admits shows its code.
    assert bool(page.ways_out) == (title == "Waiting for your payment")
    is_ticket = title == "Noche Blanca"
    assert [picture["src"] for picture in page.all("img")] == ["qr.png"] * is_ticket
    assert guest.get(path_of(order) + "qr.png").status_code == (200 if is_ticket else 404)


def test_hold_is_told_in_the_zone_of_the_house(guest, settings):
    until = datetime.fromisoformat("2026-12-01T03:05:00+00:00")
    order = order_in(hold_expires_at=until)
    settings.TIME_ZONE = "America/Guatemala"

    text = Shown(guest.get(path_of(order))).text

    assert "We hold your seats until 9:05 PM on Monday, November 30 (Guatemala time)." in text


def test_picture_is_the_ticket(guest):
    order = order_in("paid")

    response = guest.get(path_of(order) + "qr.png")

    read = zxingcpp.read_barcode(Image.open(io.BytesIO(response.content))).text
    assert response["Content-Type"] == "image/png"
    assert hash_code(read.split('"qr":"')[1][:32]) == order.qr_code_hash


def test_used_ticket_says_when_and_shows_no_code(guest, settings):
    order = order_in("paid")
    at = datetime.fromisoformat("2027-01-01T04:30:00+00:00")
    CheckIn.objects.create(order=order, admitted=2, checked_in_at=at)

    response = guest.get(path_of(order))

    assert "You came in at 10:30 PM on Thursday, December 31." in Shown(response).text
    assert (Shown(response).all("img"), guest.get(path_of(order) + "qr.png").status_code) == ([], 404)


# --- Paying ------------------------------------------------------------------------------------------------


def test_own_payment_page_comes_first(guest, recurrente):
    order = order_in(tier={"payment_link": OF_TIER}, checkout_url=OWN)

    assert Shown(guest.get(path_of(order))).ways_out[0] == OWN


def test_without_a_provider_the_tiers_link_says_what_to_enter(guest):
    page = Shown(guest.get(path_of(order_in(tier={"payment_link": OF_TIER}))))

    assert (page.ways_out, page.all("form")) == ([OF_TIER], [])
    assert "Please enter the same e-mail address there, lucia@example.com, and pay exactly 51.00 USD" in page.text


def test_without_any_link_the_page_says_how_to_pay(guest):
    page = Shown(guest.get(path_of(order_in())))

    assert (page.ways_out, page.all("form")) == ([], [])
    assert "How to pay: we write to lucia@example.com" in page.text


def test_button_opens_a_payment_page(guest, recurrente):
    order = order_in()
    page = Shown(guest.get(path_of(order)))
    assert [form["method"] for form in page.all("form")] == ["post"]

    response = guest.post(path_of(order))

    order.refresh_from_db()
    assert (response.status_code, response["Location"]) == (303, path_of(order))
    assert Shown(guest.get(path_of(order))).ways_out == [order.checkout_url]


def test_failing_provider_is_explained_and_may_be_tried_again(guest, recurrente, monkeypatch):
    order = order_in(tier={"payment_link": OF_TIER})
    recurrente.refuse = 500

    response = guest.post(path_of(order))

    page = Shown(response)
    assert (response.status_code, page.ways_out) == (503, [OF_TIER])
    assert "could not be opened. Nothing was charged" in page.text
    recurrente.refuse = None
    monkeypatch.setattr(paying, "_rests_until", {})
    assert guest.post(path_of(order)).status_code == 303


@pytest.mark.parametrize("status", ["paid", "cancelled", "refunded"])
def test_button_does_nothing_for_an_order_that_waits_for_nothing(guest, recurrente, status):
    order = order_in(status)

    assert (guest.post(path_of(order)).status_code, recurrente.asked) == (302, [])


def test_button_does_nothing_without_a_provider(guest):
    assert guest.post(path_of(order_in())).status_code == 302


@pytest.mark.rate_limits
def test_button_is_not_for_hammering(guest, recurrente, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "pay": (2, 900)}
    order, other = order_in(), order_in()
    recurrente.refuse = 422

    answers = [guest.post(path_of(order)) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [503, 503, 429]
    assert int(answers[2]["Retry-After"]) > 0
    assert (len(recurrente.asked), guest.post(path_of(other)).status_code) == (2, 503)


def test_guest_who_comes_back_from_paying_need_not_do_anything(guest):
    order = order_in(checkout_url=OWN)

    page = Shown(guest.get(path_of(order) + "?paid=1"))

    assert "Thank you! We are waiting for the payment provider" in page.text
    [refresh] = [each["content"] for each in page.all("meta") if each.get("http-equiv") == "refresh"]
    assert (refresh, page.ways_out) == ("5;url=?paid=2", [])


@pytest.mark.parametrize("look", ["24", "999"])
def test_page_stops_looking_by_itself(guest, look):
    page = Shown(guest.get(path_of(order_in()) + f"?paid={look}"))

    assert not [each for each in page.all("meta") if each.get("http-equiv")]
    assert "look again" in page.text


@pytest.mark.parametrize("look", ["", "0", "x", "-1", "²", "9" * 5000, "1;url=https://evil.example"])
def test_nonsense_behind_the_link_changes_nothing(guest, look):
    page = Shown(guest.get(path_of(order_in()), {"paid": look}))

    assert "Waiting for your payment" in page.text
    assert not [each for each in page.all("meta") if each.get("http-equiv")]


# --- Money that waits for a person -------------------------------------------------------------------------


WAITS = {
    "other amount": ({}, "amount_mismatch"),
    "other amount, hold over": ({"hold_expires_at": timedelta(minutes=-1)}, "amount_mismatch"),
    "cancelled": ({"status": "cancelled"}, "late_payment"),
    "expired": (
        {"status": "cancelled", "hold_expires_at": timedelta(-1), "cancelled_at": timedelta(0)},
        "late_payment",
    ),
    "refunded": ({"status": "refunded"}, "double_payment"),
}


@pytest.mark.parametrize(("fields", "reason"), WAITS.values(), ids=WAITS.keys())
def test_guest_whose_money_waits_for_a_person_is_told_and_not_sent_to_pay(guest, recurrente, fields, reason):
    config.contact_email = "help@hp.example"
    now = timezone.now()
    fields = {key: now + value if isinstance(value, timedelta) else value for key, value in fields.items()}
    order = order_in(tier={"payment_link": OF_TIER}, checkout_url=OWN, **fields)
    charge(order, reason)

    page = Shown(guest.get(path_of(order), {"paid": "1"}))

    said = ["Your payment has arrived", "Somebody is looking at it", "Please do not pay again.", "help@hp.example"]
    assert [words for words in said if words not in page.text] == []
    assert ("we hold your seats" in page.text) == (order.status == "pending")
    assert (page.ways_out, page.all("form"), page.all("img")) == ([], [], [])
    assert not [each for each in page.all("meta") if each.get("http-equiv")]


def test_button_opens_no_payment_page_while_money_waits(guest, recurrente):
    order = order_in()
    charge(order, "amount_mismatch")

    response = guest.post(path_of(order))

    assert (response.status_code, response["Location"], recurrente.asked) == (302, path_of(order), [])


@pytest.mark.parametrize("outcome", ["refunded", "ignored"])
def test_order_is_to_be_paid_again_once_a_person_has_decided(guest, outcome):
    order = order_in(checkout_url=OWN)
    charge(order, "amount_mismatch", outcome=outcome, reviewed_at=timezone.now())

    page = Shown(guest.get(path_of(order)))

    assert ("Waiting for your payment" in page.text, page.ways_out) == (True, [OWN])


@pytest.mark.parametrize("is_inside", [False, True])
def test_second_payment_is_a_note_beside_the_ticket(guest, is_inside):
    order = order_in("paid")
    charge(order)
    if is_inside:
        CheckIn.objects.create(order=order, admitted=2)
    assert "another payment" not in Shown(guest.get(path_of(order))).text

    charge(order, "double_payment")

    page = Shown(guest.get(path_of(order)))
    assert "We have received another payment for this order. Somebody is looking at it" in page.text
    assert guest.get(path_of(order) + "qr.png").status_code == (404 if is_inside else 200)


@pytest.mark.parametrize("status", ["pending", "cancelled", "refunded"])
def test_guest_who_paid_for_a_night_that_is_off_hears_of_both(guest, status):
    order = order_in(status, event={"status": "cancelled"})
    charge(order, "late_payment")

    text = Shown(guest.get(path_of(order))).text

    assert "Noche Blanca will not take place. You have paid for this order: we will write to lucia@example.com" in text


CLOSED = {"cancelled": "late_payment", "refunded": ""}


@pytest.mark.parametrize(("status", "reason"), CLOSED.items(), ids=CLOSED.keys())
def test_money_that_could_not_be_given_back_is_not_called_returned(guest, status, reason):
    order = order_in(status)
    money = charge(order, reason, outcome="refunded" if reason else "", reviewed_at=timezone.now() if reason else None)
    assert "banks may take some days" in Shown(guest.get(path_of(order))).text

    charge(order, "refund_failed", kind="refund", charge=money)

    text = Shown(guest.get(path_of(order))).text
    assert "We tried to give your money back, but that has not worked yet." in text
    assert ("banks may" in text, "If you did pay" in text, "another payment" in text) == (False, False, False)


# --- An order in place of another --------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["cancelled", "refunded"])
@pytest.mark.parametrize("method", ["get", "head"])
def test_link_of_a_replaced_order_leads_to_the_one_in_its_place(guest, status, method):
    order = order_in(status)
    successor = accepted(order)

    response = getattr(guest, method)(path_of(order) + "?paid=3")

    assert (response.status_code, response["Location"]) == (302, path_of(successor))
    assert "Your entry code" in guest.get(path_of(successor)).content.decode()
    assert guest.get(path_of(order) + "qr.png").status_code == 404


def test_replaced_order_that_was_replaced_again_leads_on_to_the_end(guest):
    first = order_in("cancelled")
    second = accepted(first)
    Order.objects.filter(pk=second.pk).update(status="refunded")
    third = accepted(Order.objects.get(pk=second.pk))

    response = guest.get(path_of(first), follow=True)

    assert [address for address, _ in response.redirect_chain] == [path_of(second), path_of(third)]
    assert Shown(response).all("img") != []


def test_of_several_in_its_place_the_newest_is_shown(guest):
    order = order_in("cancelled")
    older = accepted(order)
    Order.objects.filter(pk=older.pk).update(status="refunded")
    newer = accepted(order)

    assert guest.get(path_of(order))["Location"] == path_of(newer)


@pytest.mark.parametrize("status", ["paid", "refunded"])
def test_money_that_waits_with_a_replaced_order_is_told_where_its_link_leads(guest, status):
    order = order_in("cancelled")
    successor = accepted(order)
    Order.objects.filter(pk=successor.pk).update(status=status)

    charge(order, "late_payment")

    words = {"paid": "We have received another payment", "refunded": "Your payment has arrived"}[status]
    assert words in Shown(guest.get(path_of(order), follow=True)).text


# --- Keeping the link with the guest -----------------------------------------------------------------------


@pytest.mark.parametrize("status", ["pending", "paid"])
@pytest.mark.parametrize("leaf", ["", "qr.png"])
def test_nothing_of_it_is_kept_indexed_or_passed_on(guest, status, leaf):
    response = guest.get(path_of(order_in(status)) + leaf)

    assert response["Referrer-Policy"] == "no-referrer"
    assert response["X-Robots-Tag"].startswith("noindex")
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "no-store" in response["Cache-Control"]
    assert response.cookies == {}
    policy = response["Content-Security-Policy"]
    assert "img-src 'self' data:;" in policy + ";"
    assert "'unsafe" not in policy


def test_neither_is_the_way_to_the_order_in_its_place(guest):
    order = order_in("cancelled")
    accepted(order)

    response = guest.get(path_of(order))

    assert (response["Referrer-Policy"], response["X-Robots-Tag"][:7]) == ("no-referrer", "noindex")
    assert "no-store" in response["Cache-Control"]


def test_page_holds_no_script_style_or_token(guest):
    for order in (order_in(checkout_url=OWN), order_in("paid")):
        text = guest.get(path_of(order)).content.decode()
        assert [part for part in ("style=", "<style", "<script", " on", "javascript:") if f"<{part}" in text] == []
        assert "style=" not in text
        assert links.token_of(order) not in text


def test_typed_text_is_escaped(guest):
    text = guest.get(path_of(order_in(event={"name": "<b>R&B</b>"}, buyer_name="<script>x</script>"))).content.decode()

    assert ("<script" in text, "<b>" in text) == (False, False)


def test_log_holds_no_working_link():
    order = order_in()

    for path in (path_of(order), path_of(order) + "qr.png", f"/orders/{links.token_of(order)}=/"):
        line = {"event": "request_started", "request": f"GET {path}"}
        assert links.token_of(order)[:30] not in scrub(None, "info", line)["request"]


@pytest.mark.parametrize("leaf", ["", "qr.png"])
@pytest.mark.parametrize("token", ["x", "A" * 43, "A" * 44, "x" * 3000, "%C3%A9", ".."])
def test_unknown_link_is_explained(guest, token, leaf):
    for response in (guest.get(f"/orders/{token}/{leaf}"), guest.head(f"/orders/{token}/{leaf}")):
        assert (response.status_code, response["Content-Type"]) == (404, "text/html; charset=utf-8")
        assert response["Referrer-Policy"] == "no-referrer"
    assert "This link does not work" in guest.get(f"/orders/{token}/{leaf}").content.decode()


@pytest.mark.rate_limits
def test_guessing_ends_and_hits_do_not_count(guest, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "order_misses": (2, 900)}
    order = order_in()

    statuses = [guest.get(f"/orders/{token}/").status_code for token in ("a", "b", "c")]

    assert statuses == [404, 404, 429]
    assert [guest.get(path_of(order)).status_code for _ in range(3)] == [200] * 3


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(guest, method):
    assert getattr(guest, method)(path_of(order_in())).status_code == 405


@pytest.mark.parametrize("path", ["", "qr.png"])
def test_database_that_is_away_is_said_on_a_page(guest, monkeypatch, path):
    def away(token):
        raise OperationalError("connection refused")

    order = make_order()
    monkeypatch.setattr(links, "order_of", away)
    guest.raise_request_exception = False

    response = guest.get(path_of(order) + path)

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "Not available right now" in response.content.decode()


def test_part_that_was_given_back_is_shown(guest):
    order = order_in("paid")
    journal.refunded(order, Decimal("5.50"), order.currency)

    assert "Given back 5.50 USD" in Shown(guest.get(path_of(order))).text
