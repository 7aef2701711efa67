"""The home page of the admin: its figures are those of the API, and door staff see none about money."""

import re
from datetime import datetime, time, timedelta
from decimal import Decimal
from html.parser import HTMLParser

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from events.models import TicketTier
from homeproductions.mail.models import OutboxEmail
from orders.models import CheckIn, Payment, WebhookDelivery
from tests.factories import bearer, make_event, make_order, make_tier, make_user

HOME = "/admin/"
STATUSES = ("pending", "paid", "paid", "cancelled", "refunded")


@pytest.fixture
def door(client, db):
    client.force_login(make_user("staff"))
    return client


def tonight(**fields):
    return make_event(event_date=timezone.localdate(), event_time=time(23, 59), **fields)


def season():
    """Tonight and two nights to come, in two currencies, with orders of every state, test orders and people inside."""
    for night, currency in ((tonight(name="Luna"), "USD"), (make_event(name="Sol"), "GTQ"), (make_event(), "GTQ")):
        for price in (Decimal("20.50"), Decimal(100)):
            tier = make_tier(night, price=price, currency=currency, quantity=40)
            for status in STATUSES:
                order = make_order(tier, status, quantity=2, hold_expires_at=timezone.now() + timedelta(minutes=5))
                if status == "refunded" or (night.name == "Luna" and status == "paid" and price == 100):
                    CheckIn.objects.create(order=order, admitted=2)
            test_order = make_order(tier, "paid", is_test=True)
            CheckIn.objects.create(order=test_order, admitted=1)
    mail("sent", order=order)
    mail("failed", order=order)
    mail("failed", order=test_order)
    mail("failed", order=order, closed_at=timezone.now())


def mail(status, **fields):
    defaults = {"email_type": "ticket", "status": status, "last_attempt_at": timezone.now()}
    return OutboxEmail.objects.create(**{**defaults, **fields})


def wait_for_a_person(review="late_payment", **fields):
    number = Payment.objects.count()
    defaults = {"provider": "stripe", "reference": f"pi_{number}", "amount_minor": 5100, "currency": "USD"}
    return Payment.objects.create(**{**defaults, "needs_review": review, **fields})


def text_of(client):
    """What stands on the page, as people read it."""
    content = client.get(HOME).content.decode()
    main = content[content.index("<main") : content.index("</main>")]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def todos(client):
    return {todo.what: todo.count for todo in client.get(HOME).context["todos"]}


class Page(HTMLParser):
    """The links of a page, and what a strict CSP would stop on it."""

    def __init__(self, text):
        super().__init__()
        self.links, self.inline = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        names = dict(attrs)
        if tag == "a":
            self.links.append(names["href"])
        if tag == "style" or (tag == "script" and "src" not in names):
            self.inline.append(tag)
        self.inline += [f"{tag} {name}" for name in names if name == "style" or name.startswith("on")]
        self.inline += [f"{tag} {value}" for value in names.values() if (value or "").startswith("javascript:")]


# --- The same figures as the API -----------------------------------------------------------------------------


def test_nights_have_the_figures_of_the_api(office):
    season()
    stats = office.get("/api/admin/stats", headers=bearer(make_user("admin"))).json()["eventStats"]
    page = office.get(HOME).context

    shown = {str(night.event.pk): night for night in [*page["tonight"], *page["next_nights"]]}
    assert {key: (night.sold, night.capacity) for key, night in shown.items()} == {
        each["id"]: (each["sold"], each["capacity"]) for each in stats
    }
    assert [(night.event.name, night.sold, night.inside) for night in page["tonight"]] == [("Luna", 8, 4)]
    assert [each["checkedIn"] for each in stats if each["name"] == "Luna"] == [4]


def test_days_add_up_to_the_figures_of_the_api(office):
    season()
    answer = office.get("/api/admin/stats", headers=bearer(make_user("admin"))).json()
    rows = office.get(HOME).context["day_rows"]
    currencies = office.get(HOME).context["currencies"]

    assert sum(row["orders"] for row in rows) == answer["totalOrders"] == 30
    assert sum(row["paid"] for row in rows) == answer["paidOrders"] == 12
    columns = zip(*(row["earned"] for row in rows), strict=True)
    totals = [float(sum(Decimal(amount.replace(",", "")) for amount in column)) for column in columns]
    assert dict(zip(currencies, totals, strict=True)) == answer["stats"]["revenueByCurrency"]
    assert answer["stats"]["revenueByCurrency"] == {"GTQ": 964, "USD": 482}


def test_what_waits_has_the_figures_of_the_api(office):
    season()
    wait_for_a_person()
    headers = bearer(make_user("admin"))
    stats = office.get("/api/admin/stats", headers=headers).json()["stats"]
    payments = office.get("/api/admin/payments?needs_review=1", headers=headers).json()

    waiting = todos(office)

    assert waiting["mail failed"] == stats["emails"]["failed"] == 1
    assert waiting["payment to look at"] == len(payments["payments"]) == 1
    assert f"{stats['orders']['pending']} orders pending in all" in text_of(office)


# --- Nights --------------------------------------------------------------------------------------------------


def test_tiers_show_what_is_sold_held_and_left(office):
    night = make_event()
    tier = make_tier(night, name="Early bird", quantity=10)
    make_order(tier, "paid", quantity=4)
    make_order(tier, quantity=2)
    make_tier(night, name="Table", quantity=0, is_active=False)

    assert "Early bird 4 of 10 sold, 2 held, 4 left Table (off sale) 0 of 0 sold, none left" in text_of(office)
    [shown] = office.get(HOME).context["next_nights"]
    assert [(seats.sold_width, seats.taken_width) for seats in shown.tiers] == [("40.00", "60.00"), ("0.00", "0.00")]


def test_seats_of_a_guest_who_was_refunded_inside_are_not_left(office):
    tier = make_tier(quantity=10)
    make_order(tier, "refunded", quantity=2)
    TicketTier.objects.filter(pk=tier.pk).update(sold=2)

    assert "0 of 10 sold, 2 held, 8 left" in text_of(office)


def test_doors_show_people_in_of_those_expected(door):
    tier = make_tier(tonight())
    inside = make_order(tier, "paid", quantity=3)
    make_order(tier, "paid", quantity=1)
    CheckIn.objects.create(order=inside, admitted=3)

    assert "3 of 4 people in" in text_of(door)
    assert door.get(HOME).context["tonight"][0].inside_width == "75.00"


def test_last_night_is_tonight_until_it_is_over(door):
    today = timezone.localdate()
    make_tier(make_event(name="Luna", event_date=today, event_time=time(22)))
    morning = timezone.make_aware(datetime.combine(today + timedelta(days=1), time(4)))

    with time_machine.travel(morning, tick=False):
        door.force_login(make_user("staff"))
        page = door.get(HOME).context

    assert ([night.event.name for night in page["tonight"]], page["next_nights"]) == (["Luna"], [])


def test_only_the_next_nights_are_shown_and_the_others_linked(office):
    for days in range(1, 12):
        make_event(name=f"In {days}", event_date=timezone.localdate() + timedelta(days=days))

    page = office.get(HOME)

    assert [night.event.name for night in page.context["next_nights"]] == [f"In {days}" for days in range(1, 9)]
    assert "3 more nights after these" in text_of(office)
    assert f"{reverse('admin:events_event_changelist')}?status=active&when=coming" in Page(page.content.decode()).links


def test_names_of_nights_are_text(office):
    make_tier(make_event(name="<script>alert(1)</script>"), name="<b>Bold</b>")

    content = office.get(HOME).content.decode()

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in content
    assert "<b>Bold</b>" not in content


# --- What waits for a person ---------------------------------------------------------------------------------


def test_money_waits_by_reason_and_currencies_are_not_added_up(office):
    wait_for_a_person()
    wait_for_a_person(currency="GTQ", amount_minor=125_000)
    WebhookDelivery.objects.create(provider="stripe", event_id="evt_1", body=b"{}", status="failed")
    since = timezone.localtime() - timedelta(hours=5)
    Payment.objects.update(created_at=since)

    page = office.get(HOME)

    [late, notice] = page.context["todos"][0].more
    assert late.text == (
        "2: the order was already cancelled or refunded, or its night is off, 1,250.00 GTQ and 51.00 USD, "
        f"since {since.day} {since:%b, %H:%M}"
    )
    assert late.url == f"{reverse('admin:orders_payment_changelist')}?waiting=1&needs_review__exact=late_payment"
    assert notice.text == "1 notice of a payment not applied"


def test_a_dispute_says_until_when_it_must_be_answered(office):
    wait_for_a_person("dispute", kind="dispute")
    deadline = timezone.localtime() + timedelta(days=5)

    [dispute] = office.get(HOME).context["todos"][0].more

    assert f"answer by {deadline.day} {deadline:%b}" in dispute.text


def test_todos_link_to_their_lists(office):
    season()

    links = {todo.what: todo.url for todo in office.get(HOME).context["todos"]}

    assert links == {
        "payments to look at": "/admin/orders/payment/?waiting=1",
        "mail failed": "/admin/mail/outboxemail/?state=failed",
        "mails stuck": "/admin/mail/outboxemail/?state=stuck",
        "holds about to expire": "/admin/orders/order/?holds=soon",
    }
    assert "/admin/orders/order/?status__exact=pending&test=no" in Page(office.get(HOME).content.decode()).links


def test_holds_about_to_expire_name_their_seats(office):
    for minutes in (3, 10, 50):
        make_order(quantity=2, hold_expires_at=timezone.now() + timedelta(minutes=minutes))

    assert "2 holds about to expire 4 seats will be free again 3 orders pending in all" in text_of(office)


def test_stuck_mails_ask_for_the_worker(office):
    mail("pending", next_attempt_at=timezone.now() - timedelta(hours=1))

    assert "1 mail stuck Overdue: does the mail worker run?" in text_of(office)


# --- Charts --------------------------------------------------------------------------------------------------


def test_each_currency_has_a_chart_of_its_own(office):
    season()

    drawings = office.get(HOME).context["drawings"]

    assert [(drawing.heading, drawing.total) for drawing in drawings] == [
        ("Orders", "30 orders, 12 paid by now"),
        ("Revenue in GTQ", "964.00 GTQ"),
        ("Revenue in USD", "482.00 USD"),
    ]
    assert [len(drawing.chart.columns) for drawing in drawings] == [30, 30, 30]
    assert drawings[0].chart.columns[-1].label.endswith(": 30 orders, 12 paid")


def test_the_table_says_what_the_charts_draw(office):
    make_order(make_tier(price=Decimal("1250.00"), currency="GTQ"), "paid")
    page = office.get(HOME)
    today = timezone.localdate()

    assert f"{today:%a} {today.day} {today:%b} 1 1 1,250.00" in text_of(office)
    assert page.context["day_rows"][0] == {
        "date": today,
        "url": f"/admin/orders/order/?from={today}&to={today}&test=no",
        "orders": 1,
        "paid": 1,
        "earned": ["1,250.00"],
    }
    assert page.content.decode().count('<tr><th scope="row">') >= 30


def test_the_last_label_below_a_chart_is_today(office):
    make_order()
    today = timezone.localdate()

    labels = office.get(HOME).context["day_labels"]

    assert (len(labels), labels[-1]) == (5, f"{today.day} {today:%b}")


# --- Who sees what -------------------------------------------------------------------------------------------


def test_door_staff_see_nights_and_doors_but_nothing_about_money_or_mail(door):
    season()
    wait_for_a_person()

    page, words = door.get(HOME), text_of(door)

    assert "4 of 8 people in" in words
    assert "Sol" in words
    for secret in ("USD", "GTQ", "payment", "mail", "hold about", "holds about", "Revenue", "Paid by", "The last"):
        assert secret not in words
    assert {"todos", "drawings", "day_rows", "currencies"} & page.context.keys() == set()
    assert [link for link in Page(page.content.decode()).links if "payment" in link or "outbox" in link] == []


def test_door_staff_ask_the_database_for_nothing_about_money(door, django_assert_num_queries):
    season()

    with django_assert_num_queries(6) as asked:
        door.get(HOME)

    assert [query["sql"] for query in asked if re.search("journal|payments|email_outbox", query["sql"])] == []


@pytest.mark.parametrize("role", ["admin", "superadmin"])
def test_the_office_sees_all_of_it(client, db, role):
    client.force_login(make_user(role))

    words = text_of(client)

    assert "Waiting for a person 0 payments to look at 0 mails failed 0 mails stuck 0 holds about to expire" in words
    assert "The last 30 days" in words


def test_whoever_has_not_signed_in_is_asked_to(client, db):
    response = client.get(HOME)

    assert (response.status_code, response["Location"]) == (302, "/admin/login/?next=/admin/")
    assert reverse("admin:index") == HOME


def test_it_is_never_kept_by_a_cache(office):
    assert "no-store" in office.get(HOME)["Cache-Control"]


# --- The page itself -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("nights", [1, 30])
def test_any_season_takes_the_same_queries(office, django_assert_num_queries, nights):
    for _ in range(nights):
        make_order(make_tier(tonight()), "paid")
        make_order(make_tier(make_event(), currency="GTQ"), "paid")
        wait_for_a_person()
        mail("failed")

    with django_assert_num_queries(14):
        office.get(HOME)


def test_empty_house_says_so(office):
    words = text_of(office)

    assert "No night is on today." in words
    assert "No night to come is on sale. Plan one" in words
    assert "Nothing was ordered and no money came in these days." in words
    assert reverse("admin:events_event_add") in Page(office.get(HOME).content.decode()).links


def test_empty_house_offers_no_planning_at_the_door(door):
    assert "No night to come is on sale." in text_of(door)
    assert "Plan one" not in text_of(door)


def test_a_night_without_tickets_says_so(office):
    tonight()

    assert "Nobody is expected yet: no ticket is sold. Door list It has no tickets yet." in text_of(office)


def test_nothing_on_it_needs_a_looser_content_policy(office):
    season()
    wait_for_a_person()

    page = office.get(HOME)

    assert Page(page.content.decode()).inline == []
    assert "'unsafe-inline'" not in page["Content-Security-Policy"]


def test_every_link_on_it_leads_to_a_page(office):
    season()
    wait_for_a_person()
    WebhookDelivery.objects.create(provider="stripe", event_id="evt_1", body=b"{}", status="failed")
    content = office.get(HOME).content.decode()
    main = content[content.index("<main") : content.index("</main>")]

    links = set(Page(main).links)

    assert {link: office.get(link, follow=True).status_code for link in links} == dict.fromkeys(links, 200)
    assert len(links) > 10
