"""The pages behind the links: opening them changes nothing, the button does, and bad links are explained."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from audit.models import AuditLog
from homeproductions.logs import scrub
from newsletter import links, services
from newsletter.models import Subscriber
from newsletter.queries import CONFIRM_WITHIN

from .conftest import EMAIL, make_subscriber

pytestmark = pytest.mark.django_db
BUTTON = "<button"
ONE_CLICK_MULTIPART = '--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--'


@pytest.fixture
def browser():
    """Without cookies, and with CSRF checks as in production: like a mail provider or the browser in a mail program."""
    return Client(enforce_csrf_checks=True)


def path_of(url):
    return url[url.index("/newsletter/") :]


def confirm_path(subscriber, **ago):
    return path_of(links.confirm_url(subscriber.pk, timezone.now() - timedelta(**ago)))


def unsubscribe_path(subscriber):
    return path_of(links.unsubscribe_url(subscriber.pk))


def row():
    return Subscriber.objects.values().get()


def actions():
    return list(AuditLog.objects.order_by("created_at").values_list("action", "old_value", "new_value"))


def test_opening_a_confirmation_only_asks(browser):
    path = confirm_path(make_subscriber("waiting"))
    before = row()

    for ask in (browser.get, browser.head, browser.get):
        response = ask(path)

    assert (response.status_code, BUTTON in response.content.decode()) == (200, True)
    assert (row(), actions()) == (before, [])


def test_button_confirms(browser):
    path = confirm_path(make_subscriber("waiting"))

    response = browser.post(path)

    subscriber = Subscriber.objects.get()
    assert (response.status_code, BUTTON in response.content.decode()) == (200, False)
    assert (subscriber.is_active, subscriber.unsubscribed_at) == (True, None)
    assert subscriber.confirmed_at is not None
    assert actions() == [("NEWSLETTER_CONFIRM", {"is_active": False}, {"is_active": True})]


def test_confirming_twice_is_a_quiet_success(browser):
    path = confirm_path(make_subscriber("waiting"))
    browser.post(path)
    before = row()

    again, look = browser.post(path), browser.get(path)

    assert ((again.status_code, look.status_code), BUTTON in look.content.decode()) == ((200, 200), False)
    assert (row(), len(actions())) == (before, 1)


def test_somebody_who_left_can_come_back(browser):
    path = confirm_path(make_subscriber("left"))

    browser.post(path)

    subscriber = Subscriber.objects.get()
    assert (subscriber.is_active, subscriber.unsubscribed_at) == (True, None)


@pytest.mark.parametrize(("age", "status"), [(CONFIRM_WITHIN - timedelta(minutes=1), 200), (CONFIRM_WITHIN, 410)])
@pytest.mark.parametrize("method", ["get", "post"])
def test_confirmation_expires_after_a_week(browser, method, age, status):
    path = confirm_path(make_subscriber("waiting"), seconds=age.total_seconds())

    response = getattr(browser, method)(path)

    assert (response.status_code, response["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert Subscriber.objects.get().is_active is (method == "post" and status == 200)


@pytest.mark.parametrize("method", ["get", "post"])
def test_used_confirmation_does_not_bring_back_somebody_who_left(browser, method):
    subscriber = make_subscriber("waiting")
    used = confirm_path(subscriber)
    browser.post(used)
    browser.post(unsubscribe_path(subscriber))

    response = getattr(browser, method)(used)

    assert (response.status_code, Subscriber.objects.get().is_active) == (410, False)


def test_opening_an_unsubscribe_link_only_asks(browser):
    path = unsubscribe_path(make_subscriber("active"))
    before = row()

    for ask in (browser.get, browser.head, browser.get):
        response = ask(path)

    assert (response.status_code, BUTTON in response.content.decode()) == (200, True)
    assert (row(), actions()) == (before, [])


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"),
        (ONE_CLICK_MULTIPART, "multipart/form-data; boundary=x"),
        ("", "application/x-www-form-urlencoded"),
    ],
    ids=["provider", "provider with a multipart form", "button"],
)
def test_one_click_unsubscribes(browser, body, content_type):
    path = unsubscribe_path(make_subscriber("active"))

    response = browser.post(path, body, content_type=content_type)

    subscriber = Subscriber.objects.get()
    assert (response.status_code, response.cookies, subscriber.is_active) == (200, {}, False)
    assert subscriber.unsubscribed_at is not None
    assert actions() == [("NEWSLETTER_UNSUBSCRIBE", {"is_active": True}, {"is_active": False})]


def test_unsubscribing_twice_is_a_quiet_success(browser):
    path = unsubscribe_path(make_subscriber("active"))
    browser.post(path)
    before = row()

    again, look = browser.post(path), browser.get(path)

    assert ((again.status_code, look.status_code), BUTTON in look.content.decode()) == ((200, 200), False)
    assert (row(), len(actions())) == (before, 1)


def test_unsubscribing_instead_of_confirming_ends_the_open_confirmation(browser):
    subscriber = make_subscriber("waiting")
    path = confirm_path(subscriber)

    browser.post(unsubscribe_path(subscriber))

    assert (browser.post(path).status_code, Subscriber.objects.get().is_active) == (410, False)
    assert actions() == [("NEWSLETTER_UNSUBSCRIBE", {"is_active": False}, {"is_active": False})]


def test_unsubscribe_link_works_years_later(browser):
    path = unsubscribe_path(make_subscriber("active"))

    with time_machine.travel(timezone.now() + timedelta(days=5 * 365)):
        response = browser.post(path)

    assert (response.status_code, Subscriber.objects.get().is_active) == (200, False)


def test_somebody_who_leaves_and_returns_at_once_gets_a_new_link(browser, arriving):
    services.subscribe(email=EMAIL)
    [first] = arriving()
    browser.post(link_in(first, "confirm"))
    browser.post(link_in(first, "unsubscribe"))

    services.subscribe(email=EMAIL)
    [second] = arriving()
    browser.post(link_in(second, "confirm"))

    assert Subscriber.objects.get().is_active


def link_in(message, page):
    [link] = [line for line in message.body.splitlines() if f"/newsletter/{page}/" in line]
    return path_of(link)


@pytest.mark.parametrize("page", ["confirm", "unsubscribe"])
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("change", [str.swapcase, lambda token: token[:-1], lambda token: "a" + token], ids=range(3))
def test_forged_link_is_explained(browser, page, method, change):
    subscriber = make_subscriber("waiting" if page == "confirm" else "active")
    good = confirm_path(subscriber) if page == "confirm" else unsubscribe_path(subscriber)
    before = row()

    response = getattr(browser, method)(f"/newsletter/{page}/{change(good.split('/')[-2])}/")

    assert (response.status_code, response["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "This link does not work" in response.content.decode()
    assert (row(), actions()) == (before, [])


@pytest.mark.parametrize("page", ["confirm", "unsubscribe"])
@pytest.mark.parametrize("token", ["x", ".", "a.b", ".a.b", "%C3%A9.%ED%A0%80", "W10.x", "x" * 4000, "..%20"])
def test_nonsense_in_a_link_is_explained(browser, page, token):
    assert browser.get(f"/newsletter/{page}/{token}/").status_code == 404
    assert browser.post(f"/newsletter/{page}/{token}/").status_code == 404


@pytest.mark.parametrize("page", ["confirm", "unsubscribe"])
def test_link_of_an_erased_subscriber_is_unknown(browser, page):
    subscriber = make_subscriber("active")
    path = confirm_path(subscriber) if page == "confirm" else unsubscribe_path(subscriber)
    Subscriber.objects.all().delete()

    assert (browser.get(path).status_code, browser.post(path).status_code) == (404, 404)


@pytest.mark.parametrize("state", ["waiting", "active"])
def test_page_holds_nothing_that_the_strict_policy_forbids(browser, state):
    response = browser.get(confirm_path(make_subscriber(state)))

    page = response.content.decode()
    assert "style=" not in page
    assert "<style" not in page
    assert "<script" not in page
    assert "'unsafe" not in response["Content-Security-Policy"]
    assert "no-store" in response["Cache-Control"]
    assert EMAIL not in page


@pytest.mark.parametrize("link", [confirm_path, unsubscribe_path])
def test_log_holds_no_working_link(link):
    line = {"event": "request_started", "request": f"POST {link(make_subscriber())}"}

    page = "confirm" if link is confirm_path else "unsubscribe"
    assert scrub(None, "info", line)["request"] == f"POST /newsletter/{page}/***/"
