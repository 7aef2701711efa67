"""Outbox, audit, staff users and settings in a real browser, under the headers of production."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from constance import config
from django.core import mail
from django.db import connection

from accounts.models import User
from audit.models import AuditLog
from homeproductions.mail.delivery import process_due
from homeproductions.mail.models import OutboxEmail
from homeproductions.mail.services import queue
from tests.browser import DESK, PHONE, visitor  # noqa: F401  (a fixture)
from tests.factories import make_order, make_user

PASSWORD = "staple-lightning-7"


@pytest.fixture
def boss(visitor):  # noqa: F811
    user = make_user("superadmin")
    visitor.sign_in(user)
    return user


def elsewhere(act):
    """In a thread without Playwright's event loop, in which settings cannot be read."""

    def run():
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result()


def queue_ticket():
    order = make_order(status="paid")
    return queue("ticket", order=order, recipient=order.buyer_email, subject="Your ticket")


def test_look_at_a_failed_ticket_and_retry_it(visitor, boss):  # noqa: F811
    email = queue_ticket()
    said = "gave up after 5 attempts: no connection to the mail server"
    OutboxEmail.objects.update(status="failed", attempts=5, error_message=said)

    page = visitor.open("/admin/mail/outboxemail/?state=failed")
    page.get_by_text("The mail server could not be reached.").wait_for()
    page.get_by_role("link", name="failed").click()
    visitor.press("Preview")
    frame = page.frame_locator("iframe[title='The mail']")
    frame.get_by_text("Admits 1 person", exact=True).wait_for()
    picture = frame.locator("img").first
    assert picture.evaluate("image => image.complete && image.naturalWidth") == 300
    assert visitor.barriers() == []

    page.go_back()
    visitor.press("Retry")
    visitor.press("Retry")
    email.refresh_from_db()
    assert (email.status, email.attempts) == ("pending", 0)


def test_invite_somebody_who_then_signs_in(visitor, boss):  # noqa: F811
    page = visitor.open("/admin/accounts/user/")
    visitor.press("Invite somebody")
    page.get_by_label("E-mail address").fill("eva@example.com")
    page.get_by_label("Name").fill("Eva")
    page.get_by_label("Role").select_option("staff")
    visitor.press("Invite somebody")
    page.get_by_text("Eva is invited").wait_for()
    visitor.press("Log out")

    elsewhere(process_due)
    path = re.search(r"/admin/set-password/\S+", mail.outbox[0].body)[0]
    visitor.open(path)
    assert visitor.barriers() == []
    page.get_by_label("New password").fill("short-7")
    page.get_by_label("The same again").fill("short-7")
    visitor.press("Set the password")
    page.get_by_text("too short").wait_for()
    assert "status of 422" in visitor.complaints.pop()
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    visitor.press("Set the password")
    page.get_by_text("Your password is set.").wait_for()

    page.get_by_label("Email").fill("eva@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    visitor.press("Log in")
    page.get_by_role("button", name="Log out").wait_for()


def test_change_a_setting_and_find_it_in_the_history(visitor, boss):  # noqa: F811
    page = visitor.open("/admin/constance/config/")
    page.get_by_label("Order hold minutes").fill("45")
    visitor.press("Save")
    page.get_by_text("The settings are saved.").wait_for()
    visitor.press("History")

    page.get_by_text("Order hold minutes: 60 → 45").wait_for()
    assert elsewhere(lambda: config.order_hold_minutes) == 45


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_pages_are_open_to_everybody(visitor, boss, size):  # noqa: F811
    email = queue_ticket()
    OutboxEmail.objects.create(email_type="test", recipient_email="a@example.com", subject="A", status="failed")
    ana = make_user("admin")
    row = AuditLog.objects.filter(action="LOGIN").first()
    visitor.page.set_viewport_size(size)
    for path in (
        "mail/outboxemail/",
        f"mail/outboxemail/{email.pk}/change/",
        "audit/auditlog/",
        f"audit/auditlog/{row.pk}/change/",
        "accounts/user/",
        f"accounts/user/{ana.pk}/change/",
        f"accounts/user/{ana.pk}/do/change-role/",
        "constance/config/",
        "password_change/",
    ):
        page = visitor.open(f"/admin/{path}")
        assert visitor.barriers() == [], path
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not page.evaluate(wide), path
    assert User.objects.count() == 2
