"""Rules about texts that hold wherever somebody may type them: for guests, over the office's API and on its pages."""

import pytest
from constance import config
from django.core.management import CommandError, call_command

from accounts.models import User
from events.models import Event, TicketTier
from homeproductions.fields import NOT_AN_EMAIL
from homeproductions.mail.models import OutboxEmail
from newsletter.models import Subscriber
from orders.models import Order
from tests.factories import bearer, make_event, make_order, make_tier, make_user
from tests.office_forms import fields_of

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


# --- One line ----------------------------------------------------------------------------------------------------

# In the subject of a mail or a row of a list, these make one line two, or turn the letters around them about.
BROKEN = ["a\nb", "a\r\nBcc: all@example.com", "a\tb", "a\u2028b", "\u202egnp.exe"]
SAID = "This has a line break or characters that cannot be seen in it."
NIGHT = {"name": "Luna", "location": "Antigua", "date": "2027-02-14"}
OVER_THE_API = {
    "order, name": ("post", "/api/orders", "buyerName"),
    "order, phone": ("post", "/api/orders", "buyerPhone"),
    "order, country": ("post", "/api/orders", "buyerCountry"),
    "order, nationality": ("post", "/api/orders", "buyerNationality"),
    "order, method": ("post", "/api/orders", "paymentMethod"),
    "test order, name": ("post", "/api/admin/orders/test", "buyerName"),
    "test order, phone": ("post", "/api/admin/orders/test", "buyerPhone"),
    "reference": ("put", "/api/admin/orders/{order}/status", "paymentReference"),
    "new night": ("post", "/api/admin/events", "name"),
    "night": ("put", "/api/admin/events/{event}", "name"),
}


@pytest.mark.parametrize("place", OVER_THE_API)
def test_what_stands_on_one_line_is_one_over_the_api(api, tier, place):
    method, path, field = OVER_THE_API[place]
    order = make_order(tier)
    path = path.format(order=order.pk, event=tier.event_id)
    body, office = {**order_of(tier), **NIGHT, "status": "paid"}, bearer(make_user("admin"))

    answers = [getattr(api, method)(path, {**body, field: text}, headers=office) for text in BROKEN]

    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [(400, f"{field}: {SAID}")] * 5
    order.refresh_from_db()
    assert (Order.objects.count(), Event.objects.count(), order.status) == (1, 1, "pending")


@pytest.mark.parametrize("method", ["post", "put"])
def test_name_of_a_tier_is_one_line_over_the_api(api, tier, method):
    path = "/api/admin/events" + (f"/{tier.event_id}" if method == "put" else "")
    tiers = [[{"name": text, "price": 1}] for text in BROKEN]

    answers = [
        getattr(api, method)(path, {**NIGHT, "tiers": each}, headers=bearer(make_user("admin"))) for each in tiers
    ]

    assert [answer.json()["error"] for answer in answers] == [f"tiers.0.name: {SAID}"] * 5
    assert (Event.objects.count(), TicketTier.objects.count()) == (1, 1)


IN_THE_OFFICE = {
    "sell, name": (f"{LIST}do/sell/", "name", {"quantity": "1", "method": "cash"}),
    "sell, receipt": (f"{LIST}do/sell/", "receipt", {"quantity": "1", "method": "cash"}),
    "give away, name": (f"{LIST}do/give-away/", "name", {"quantity": "1", "reason": "Press"}),
    "give away, reason": (f"{LIST}do/give-away/", "reason", {"quantity": "1", "name": "Ana"}),
    "reference": (f"{LIST}{{order}}/do/mark-paid/", "reference", {}),
    "copy of a night": ("/admin/events/event/{event}/do/duplicate/", "name", {"night": "2027-02-14"}),
    "invite": ("/admin/accounts/user/do/invite/", "name", {"email": "eva@example.com", "role": "staff"}),
    "rename": ("/admin/accounts/user/{user}/do/rename/", "name", {}),
    "house": ("/admin/constance/config/", "site_name", {}),
}


@pytest.mark.parametrize("place", IN_THE_OFFICE)
def test_what_stands_on_one_line_is_one_in_the_office(client, boss, tier, place):
    path, field, others = IN_THE_OFFICE[place]
    order, ana = make_order(tier), make_user("admin")
    path = path.format(order=order.pk, event=tier.event_id, user=ana.pk)

    answers = [client.post(path, {"tier": str(tier.pk), **others, field: text}) for text in BROKEN]

    assert [errors_of(answer).get(field) for answer in answers] == [[SAID]] * 5
    order.refresh_from_db()
    ana.refresh_from_db()
    assert (order.status, ana.name, config.site_name) == ("pending", "Ana Staff", "Home Productions")
    assert (Order.objects.count(), Event.objects.count(), User.objects.count()) == (1, 1, 2)


@pytest.mark.parametrize("field", ["name", "tiers-0-name"])
def test_names_of_a_night_and_its_tiers_are_one_line_in_the_office(client, boss, tier, field):
    path = f"/admin/events/event/{tier.event_id}/change/"
    values = fields_of(client.get(path), "event_form")

    pages = [client.post(path, {**values, field: text}).content.decode() for text in BROKEN]

    assert [page.count(SAID) for page in pages] == [1] * 5
    assert (Event.objects.get().name, TicketTier.objects.get().name) == (tier.event.name, tier.name)
