"""The home page of the office in a real browser: no barriers, no complaints, and nothing wider than a phone."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from homeproductions.mail.models import OutboxEmail
from orders.models import CheckIn, Payment
from tests.browser import DESK, PHONE, visitor  # noqa: F401  (a fixture)
from tests.factories import make_event, make_order, make_tier, make_user


def a_full_house():
    night = make_event(name="Luna", event_date=timezone.localdate(), venue="Teatro")
    for tier in (make_tier(night, name="General"), make_tier(night, name="Table", currency="GTQ", quantity=2)):
        CheckIn.objects.create(order=make_order(tier, "paid", quantity=2), admitted=2)
    make_order(make_tier(name="Early bird"), "refunded", hold_expires_at=timezone.now() + timedelta(minutes=5))
    make_order(hold_expires_at=timezone.now() + timedelta(minutes=5))
    OutboxEmail.objects.create(email_type="ticket", status="failed", last_attempt_at=timezone.now())
    Payment.objects.create(
        provider="stripe", reference="pi_1", amount_minor=5100, currency="USD", needs_review="late_payment"
    )


@pytest.mark.parametrize(("size", "scheme"), [(DESK, "light"), (PHONE, "dark")], ids=["desk-light", "phone-dark"])
def test_dashboard_has_no_barriers(visitor, size, scheme):  # noqa: F811
    a_full_house()
    visitor.sign_in(make_user("admin"))
    visitor.page.set_viewport_size(size)
    visitor.page.emulate_media(color_scheme=scheme)

    page = visitor.open("/admin/")
    page.get_by_text("The same as a table").click()

    assert visitor.barriers() == []
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
    expect(page.get_by_role("rowheader").first).to_be_visible()


def test_a_phone_reaches_every_page_from_the_dashboard(visitor):  # noqa: F811
    visitor.sign_in(make_user("admin"))
    visitor.page.set_viewport_size(PHONE)

    page = visitor.open("/admin/")
    page.get_by_text("All pages").click()
    page.get_by_role("link", name="Payments", exact=True).click()

    assert page.url.endswith("/admin/orders/payment/")
