"""Rules about texts that hold wherever somebody may type them: for guests, over the office's API and on its pages."""

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from homeproductions.fields import NOT_AN_EMAIL
from homeproductions.mail.models import OutboxEmail
from newsletter.models import Subscriber
from orders.models import Order
from tests.factories import bearer, make_event, make_order, make_tier, make_user

# A guest's provider delivers to none of these.
UNREACHABLE = ["a@[127.0.0.1]", "a@[IPv6:2001:db8::127.0.0.1]", "a@127.0.0.1", "a@localhost", "a@[mail.example.com]"]
LIST = "/admin/orders/order/"


def order_of(tier, **texts):
    return {"eventId": str(tier.event_id), "tierId": str(tier.pk), "buyerName": "A", "buyerEmail": "a@b.cc", **texts}


@pytest.fixture
def tier(db):
    return make_tier(make_event())


@pytest.fixture
def boss(client, db):
    user = make_user("superadmin")
    client.force_login(user)
    return user


# --- Addresses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", UNREACHABLE)
def test_address_that_no_mail_reaches_is_none_over_the_api(api, tier, address):
    order, office = order_of(tier, buyerEmail=address), bearer(make_user("admin"))
    answers = [
        api.post("/api/orders", order),
        api.post("/api/admin/orders/test", order, headers=office),
        api.post("/api/newsletter/subscribe", {"email": address}),
        api.post("/api/newsletter/unsubscribe", {"email": address}),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(400, "VALIDATION_ERROR")] * 4
    assert [answer.json()["error"].partition(": ")[2] for answer in answers] == [NOT_AN_EMAIL] * 4
    assert (Order.objects.count(), Subscriber.objects.count()) == (0, 0)


PAGES = {
    "sell": (f"{LIST}do/sell/", "email", {"quantity": "1", "method": "cash"}),
    "give away": (f"{LIST}do/give-away/", "email", {"quantity": "1", "reason": "Press", "name": "Ana"}),
    "resend": (f"{LIST}{{order}}/do/resend/", "address", {}),
    "invite": ("/admin/accounts/user/do/invite/", "email", {"name": "Eva", "role": "staff"}),
    "contact": ("/admin/constance/config/", "contact_email", {}),
    "alerts": ("/admin/constance/config/", "staff_alert_email", {}),
}


@pytest.mark.parametrize("page", PAGES)
def test_address_that_no_mail_reaches_is_none_in_the_office(client, boss, tier, page):
    path, field, others = PAGES[page]
    path, others = path.format(order=make_order(tier, "paid").pk), {"tier": str(tier.pk), **others}

    answers = [client.post(path, {**others, field: address}) for address in UNREACHABLE]

    assert [errors_of(answer).get(field) for answer in answers] == [[NOT_AN_EMAIL]] * len(UNREACHABLE)
    assert (Order.objects.count(), User.objects.count(), OutboxEmail.objects.count()) == (1, 1, 0)


def errors_of(page):
    """What the form of a page found wrong with each field."""
    return page.context["form"].errors


def test_address_that_no_mail_reaches_is_not_imported(client, boss):
    answer = client.post("/admin/newsletter/subscriber/import/", {"text": "\n".join(["ana@example.com", *UNREACHABLE])})

    found = answer.context["preview"]
    assert (found.new, {wrong.reason for wrong in found.wrong}) == (["ana@example.com"], {"not an e-mail address"})
    assert [wrong.text for wrong in found.wrong] == UNREACHABLE


def test_first_admin_has_an_address_that_mail_reaches(db, settings):
    settings.DEFAULT_ADMIN_EMAIL, settings.DEFAULT_ADMIN_PASSWORD = "a@[127.0.0.1]", "let me in, please"

    with pytest.raises(CommandError, match="DEFAULT_ADMIN_EMAIL is not an e-mail address"):
        call_command("ensure_admin")
    assert not User.objects.exists()


@pytest.mark.parametrize("address", ["a@example.com", "a.b+c@sub.example.co.uk", "a@münchen.example", '"a"@b.cc'])
def test_address_that_mail_reaches_is_taken(api, tier, address):
    assert api.post("/api/orders", order_of(tier, buyerEmail=address)).status_code == 201
