"""The office's screen of orders: what it shows to whom, and what may be done."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditLog
from homeproductions.errors import Refused
from homeproductions.mail.models import OutboxEmail
from homeproductions.office.paging import COUNTED
from orders.models import CheckIn, Order, Payment, RefusedScan
from orders.services import box_office, checkin, status
from tests import provider_bodies as bodies
from tests.factories import make_event, make_order, make_tier, make_user
from tests.provider_bodies import receive

LIST = "/admin/orders/order/"
PRIVATE = ("lucia@example.com", "5555 0123", "203.0.113.7", "Secret Browser", "Guatemalan", "corrected@example.com")


@pytest.fixture
def office(client, db):
    user = make_user("admin")
    client.force_login(user)
    return user


@pytest.fixture
def door(client, db):
    user = make_user("staff")
    client.force_login(user)
    return user


def page(client, address, expected=200):
    response = client.get(address)
    text = response.content.decode()
    assert response.status_code == expected
    assert "<script>" not in text
    assert " style=" not in text
    return text


def address(order, step=""):
    return f"{LIST}{order.pk}/do/{step}/" if step else f"{LIST}{order.pk}/change/"


def tonight():
    return make_tier(make_event(event_date=timezone.localdate()))


def shown(client, query):
    return set(client.get(LIST + query).context["cl"].result_list)


def guest(**fields):
    private = {
        "buyer_phone": "+502 5555 0123",
        "buyer_nationality": "Guatemalan",
        "ip_address": "203.0.113.7",
        "user_agent": "Secret Browser",
        "corrected_email": "corrected@example.com",
    }
    return make_order(status="paid", **{**private, **fields})


# --- List ----------------------------------------------------------------------------------------------------


def test_list_costs_the_same_for_more_orders(client, office):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            page(client, LIST)
        return captured

    make_order(status="paid")
    first = len(queries())
    for _ in range(3):
        checkin.check_in(checkin.Scan(text=make_order(status="paid").order_number, actor=office))
        make_order()
    captured = queries()

    assert len(captured) == first < 10
    counts = [query["sql"] for query in captured if "COUNT(" in query["sql"]]
    assert all(f"LIMIT {COUNTED + 1}" in sql for sql in counts)


def test_orders_are_filtered_by_what_the_office_asks(client, office):
    now = timezone.now()
    pending = make_order(hold_expires_at=now + timedelta(minutes=10))
    later = make_order(pending.tier, hold_expires_at=now + timedelta(minutes=30))
    over = make_order(hold_expires_at=now - timedelta(minutes=1))
    online = make_order(status="paid", payment_provider="recurrente", quantity=2)
    inside = make_order(status="paid", payment_provider="admin", quantity=2)
    checkin.check_in(checkin.Scan(text=str(inside.pk), actor=office, people=1))
    old = make_order(status="refunded", created_at=now - timedelta(days=40))
    day = timezone.localdate(old.created_at)

    assert shown(client, f"?event={pending.event_id}") == {pending, later}
    assert shown(client, f"?event={pending.event_id}&tier={make_tier(pending.event).pk}") == set()
    assert shown(client, f"?tier={online.tier_id}") == {online}
    assert shown(client, "?status__exact=refunded") == {old}
    assert shown(client, f"?from={day}&to={day}") == {old}
    assert shown(client, "?paid_by=online") == {online}
    assert shown(client, "?paid_by=hand") == {inside}
    assert shown(client, "?inside=yes") == shown(client, "?inside=partly") == {inside}
    assert shown(client, "?inside=no") == {online}
    assert shown(client, "?holds=soon") == {pending, over}
    assert shown(client, "?holds=over") == {over}


def test_orders_are_filtered_by_their_newest_ticket_mail(client, office):
    sent, waiting, failed, again, closed = (make_order(status="paid") for _ in range(5))
    never = make_order(status="paid")
    for order in (sent, waiting, failed, again, closed):
        status.resend_ticket(order.pk, actor=office)
    mails = OutboxEmail.objects
    mails.filter(order__in=[sent, again]).update(status="sent", sent_at=timezone.now())
    mails.filter(order=failed).update(status="failed")
    mails.filter(order=closed).update(status="failed", closed_at=timezone.now())
    status.resend_ticket(again.pk, actor=office, address="new@example.com")
    mails.filter(order=again, status="pending").update(status="failed", created_at=timezone.now())

    assert shown(client, "?mail=sent") == {sent}
    assert shown(client, "?mail=waiting") == {waiting}
    assert shown(client, "?mail=failed") == {failed, again}
    assert shown(client, "?mail=none") == {never}


@pytest.mark.parametrize("query", ["?event=x", "?tier=x", f"?event={uuid.UUID(int=1)}"])
def test_nonsense_finds_nothing(client, office, query):
    make_order()

    assert shown(client, query) == set()


def test_test_orders_are_left_out_or_alone(client, office):
    real, test = make_order(), make_order(is_test=True)

    assert [shown(client, f"?test={word}") for word in ("no", "yes")] == [{real}, {test}]


@pytest.mark.parametrize("query", ["?from=2026-02-31", "?to=tomorrow", "?holds=x", "?mail=x", "?paid_by=x", "?q=%00x"])
def test_nonsense_does_no_harm(client, office, query):
    make_order()

    assert client.get(LIST + query).status_code in (200, 302, 400)


def test_page_behind_the_last_is_the_last_and_keeps_the_filters(client, office):
    wanted = make_order(status="paid")
    make_order()

    assert shown(client, "?status__exact=paid&p=999") == {wanted}


@pytest.mark.parametrize("query", ["status__exact=zzz", "paid_by=zzz", "holds=zzz", "from=2026-02-31", "to=x"])
def test_unknown_value_of_a_filter_finds_nothing(client, office, query):
    make_order()

    assert shown(client, f"?{query}") == set()


def test_history_of_a_row_is_asked_for_by_its_whole_id(client, office):
    response = client.get(f"{LIST}x&who=nobody/history/")

    assert response.url == "/admin/audit/auditlog/?entity_id__exact=x%26who%3Dnobody"


def test_filter_of_events_is_a_menu_that_keeps_the_other_filters(client, office):
    tier = make_tier(make_event(name="Luna Llena"))

    text = page(client, f"{LIST}?status__exact=paid&event={tier.event_id}&q=x")

    assert f'<option value="{tier.event_id}" selected>Luna Llena' in text
    assert '<input type="hidden" name="status__exact" value="paid">' in text
    assert '<input type="hidden" name="q" value="x">' in text
    assert f'<option value="{tier.pk}">General' in text


def test_comp_cash_and_card_are_told_apart(client, office):
    tier = make_tier()
    wish = box_office.Wish(event_id=tier.event_id, tier_id=tier.pk, quantity=1)
    cash = box_office.sell(wish, method="cash", actor=office)
    card = box_office.sell(wish, method="card", actor=office)
    comp = box_office.give_away(wish, reason="Press", actor=office)

    assert [shown(client, f"?paid_by={kind}") for kind in ("cash", "card", "comp")] == [{cash}, {card}, {comp}]
    text = page(client, LIST)
    assert all(word in text for word in ("Cash at the door", "Card at the door", "Given away"))


# --- Door staff ----------------------------------------------------------------------------------------------


def test_door_staff_see_orders_without_contacts(client, door):
    order = guest()
    status.resend_ticket(order.pk, actor=door)

    for text in (page(client, LIST), page(client, address(order))):
        assert order.order_number in text
        assert "Lucía Pérez" in text
        assert not [word for word in PRIVATE if word in text]


def test_office_sees_contacts(client, office):
    text = page(client, address(guest()))

    assert not [word for word in PRIVATE if word not in text]


@pytest.mark.parametrize("text", ["lucia@example.com", "lucia@", "corrected@example.com", "5555 0123"])
def test_door_staff_cannot_search_by_contacts(client, door, text):
    order = guest(buyer_name="Ana")

    assert shown(client, f"?q={text}") == set()
    assert shown(client, "?q=ana") == {order}


@pytest.mark.parametrize(
    "query",
    ["buyer_email__startswith=l", "buyer_phone__contains=5", "ip_address=203.0.113.7", "payments__payer_email=x"],
)
def test_nobody_guesses_at_columns_by_the_address_of_the_list(client, door, query):
    guest()

    assert client.get(f"{LIST}?{query}").status_code == 400
    assert client.get(f"/admin/orders/checkin/?order__{query}").status_code == 400


def test_door_staff_may_let_in_and_nothing_else(client, door):
    order, pending = make_order(tonight(), status="paid"), make_order()
    steps = ("mark-paid", "cancel", "resend", "new-code", "refund", "refund-inside")

    buttons = [step["label"] for step in client.get(address(order)).context["steps"]]

    assert buttons == ["Check in"]
    assert {client.post(address(order, step)).status_code for step in steps} == {403}
    assert {client.post(address(pending, step)).status_code for step in steps} == {403}
    assert {client.get(f"{LIST}do/{step}/").status_code for step in ("sell", "give-away")} == {403}
    assert client.get(f"{LIST}{order.pk}/ticket/").status_code == 403
    assert client.post(address(order, "check-in"), {"people": 1}).status_code == 302
    assert CheckIn.objects.get().checked_in_by == door


# --- Steps ---------------------------------------------------------------------------------------------------

OFFERED = {
    "pending": ["Mark as paid", "Cancel the order"],
    "paid": ["Check in", "Show the ticket", "Mail the ticket again", "Revoke and issue a new code", "Refund"],
    "cancelled": [],
    "refunded": [],
}


@pytest.mark.parametrize("state", OFFERED)
def test_only_what_the_status_allows_is_offered(client, office, state):
    order = make_order(tonight(), status=state)

    assert [step["label"] for step in client.get(address(order)).context["steps"]] == OFFERED[state]


def test_what_is_not_offered_is_not_done_either(client, office):
    order = make_order(status="refunded")

    for step in ("mark-paid", "cancel", "resend", "new-code", "refund", "check-in"):
        response = client.post(address(order, step), {"people": 1, "reference": "x", "address": "a@example.com"})
        assert (response.status_code, response.url) == (302, address(order))
    text = page(client, address(order))
    assert f"Order {order} is refunded: “Mark as paid” is not possible now." in text
    assert '<li class="error">' not in text
    order.refresh_from_db()
    assert order.status == "refunded"


def test_order_is_marked_paid_with_its_reference(client, office):
    order = make_order()

    assert "No money moves by this." in page(client, address(order, "mark-paid"))
    assert client.post(address(order, "mark-paid"), {"reference": ""}).status_code == 200
    client.post(address(order, "mark-paid"), {"reference": "Transfer 0042", "send_email": "on"})

    order.refresh_from_db()
    assert (order.status, order.payment_reference, order.payment_confirmed_by) == ("paid", "Transfer 0042", office)
    assert OutboxEmail.objects.get(email_type="ticket").recipient_email == "lucia@example.com"


def test_marking_paid_warns_of_money_that_waits(client, office):
    order = make_order()
    receive(bodies.recurrente(order, amount_in_cents=1))

    assert "a payment for this order waits already" in page(client, address(order, "mark-paid"))


def test_pending_order_is_cancelled(client, office):
    order = make_order(quantity=2)

    assert "2 seats go back on sale." in page(client, address(order, "cancel"))
    client.post(address(order, "cancel"))

    order.refresh_from_db()
    assert (order.status, order.tier.sold) == ("cancelled", 0)


def test_refund_says_what_it_will_do_before_it_does(client, office):
    order = make_order(quantity=2)
    receive(bodies.recurrente(order))
    reference = Payment.objects.get().reference

    text = page(client, address(order, "refund"))
    assert "2 seats go back on sale." in text
    assert "You give 51.00 USD back yourself" in text
    assert "it waits under Money to look at." in text
    assert f"Paid: online (recurrente), reference {reference}, " in text
    assert "lucia@example.com is told by mail." in text
    order.refresh_from_db()
    assert order.status == "paid"

    client.post(address(order, "refund"))
    order.refresh_from_db()
    assert order.status == "refunded"


def test_refund_of_somebody_inside_wants_a_second_word(client, office):
    order = make_order(status="paid", quantity=2)
    checkin.check_in(checkin.Scan(text=str(order.pk), actor=office))

    assert client.post(address(order, "refund")).status_code == 302
    assert "the seats are not sold again" in page(client, address(order, "refund-inside"))
    assert client.post(address(order, "refund-inside")).status_code == 200
    order.refresh_from_db()
    assert order.status == "paid"
    client.post(address(order, "refund-inside"), {"force": "on"})

    order.refresh_from_db()
    assert (order.status, order.tier.sold) == ("refunded", 2)


def test_guest_who_comes_in_meanwhile_stops_the_refund(client, office, monkeypatch):
    order = make_order(status="paid")
    monkeypatch.setattr("orders.admin.order_steps.inside", lambda order: 0)
    checkin.check_in(checkin.Scan(text=str(order.pk), actor=office))

    response = client.post(address(order, "refund"))

    assert (response.status_code, "came in at this very moment" in response.content.decode()) == (422, True)
    order.refresh_from_db()
    assert order.status == "paid"


def test_ticket_is_mailed_to_a_corrected_address(client, office):
    order = make_order(status="paid")
    status.resend_ticket(order.pk, actor=office)
    OutboxEmail.objects.update(status="sent", sent_at=timezone.now())

    assert 'value="lucia@example.com"' in page(client, address(order, "resend"))
    client.post(address(order, "resend"), {"address": "lucia.perez@example.com"})

    text = page(client, address(order))
    assert "lucia@example.com (sent); lucia.perez@example.com (on its way)" in text
    assert "lucia.perez" not in str(list(AuditLog.objects.values()))


def test_ticket_of_a_forgotten_guest_is_not_offered_to_be_mailed(client, office):
    order = make_order(status="paid")
    assert address(order, "resend") in page(client, address(order))
    Order.objects.update(forgotten_at=timezone.now())

    assert address(order, "resend") not in page(client, address(order))
    response = client.post(address(order, "resend"), {"address": "new@example.com"}, follow=True)
    text = response.content.decode()
    assert "its guest forgotten: “Mail the ticket again” is not possible now" in text
    assert (Order.objects.get().corrected_email, OutboxEmail.objects.exists()) == (None, False)


@pytest.mark.parametrize("wrong", ["", "lucia", "a@b@c", "x" * 250 + "@example.com"])
def test_corrected_address_must_be_one(client, office, wrong):
    order = make_order(status="paid")

    assert client.post(address(order, "resend"), {"address": wrong}).status_code == 200
    assert not OutboxEmail.objects.exists()


def test_new_code_is_issued_from_the_page(client, office):
    order = make_order(status="paid")

    client.post(address(order, "new-code"), {"send_email": "on"})

    order.refresh_from_db()
    assert (order.code_version, OutboxEmail.objects.count()) == (2, 1)
    shown_now = client.post(address(order, "new-code"), {})
    assert shown_now.url == f"{LIST}{order.pk}/ticket/"


def test_some_of_an_order_are_let_in(client, office):
    order = make_order(tonight(), status="paid", quantity=4)
    form = {"people": 3, "nonce": "n-1"}

    assert 'value="4"' in page(client, address(order, "check-in"))
    client.post(address(order, "check-in"), form)
    client.post(address(order, "check-in"), form)

    assert CheckIn.objects.get().admitted == 3
    response = client.post(address(order, "check-in"), {"people": 2, "nonce": "n-2"})
    assert (response.status_code, "admits 1 more" in response.content.decode()) == (422, True)


def test_nobody_is_let_in_before_the_day_of_the_night(client, office):
    order = make_order(status="paid")

    assert "Check in" not in [step["label"] for step in client.get(address(order)).context["steps"]]
    assert "Nobody goes in yet: this night is on" in page(client, address(order))
    assert client.post(address(order, "check-in"), {"people": 1}).status_code == 302
    assert not CheckIn.objects.exists()


def test_ticket_of_a_night_that_is_off_is_not_shown_and_mailed_with_a_warning(client, office):
    order = make_order(status="paid")
    type(order.event).objects.update(status="cancelled")

    assert "Show the ticket" not in [step["label"] for step in client.get(address(order)).context["steps"]]
    assert client.get(f"{LIST}{order.pk}/ticket/").url == address(order)
    assert "this event is cancelled; its tickets admit nobody" in page(client, address(order, "resend"))


def test_ticket_on_the_screen_is_noted(client, office):
    order = make_order(status="paid")

    client.get(f"{LIST}{order.pk}/ticket/")

    log = AuditLog.objects.get(action="PREVIEW")
    assert (log.entity_id, log.user) == (order.pk, office)
    assert ("Ticket shown on the screen", office.name) in told(client, order)


def test_night_that_is_off_lets_nobody_in(client, office):
    order = make_order(tonight(), status="paid")
    type(order.event).objects.update(status="cancelled")

    assert "Check in" not in [step["label"] for step in client.get(address(order)).context["steps"]]
    assert client.post(address(order, "check-in"), {"people": 1}).status_code == 302
    assert not CheckIn.objects.exists()


# --- Box office ----------------------------------------------------------------------------------------------


def sale(of, **changes):
    return {"tier": str(of.pk), "quantity": 2, "method": "cash", "attempt": "n-1", **changes}


def test_sale_at_the_door_leads_to_the_ticket(client, office):
    tier = make_tier()

    assert f'value="{tier.pk}" data-price="25.50"' in page(client, f"{LIST}do/sell/")
    response = client.post(f"{LIST}do/sell/", sale(tier, name="Ana"))

    order = Order.objects.get()
    assert (order.status, order.payment_method, order.buyer_name, order.payment_confirmed_by) == (
        "paid",
        "cash",
        "Ana",
        office,
    )
    assert response.url == f"{LIST}{order.pk}/ticket/"
    text = page(client, response.url)
    assert "take 51.00 USD" in text
    assert "Admits 2" in text
    assert "data:image/png;base64," in text
    client.post(f"{LIST}do/sell/", sale(tier, name="Ana"))
    assert Order.objects.count() == 1


def test_sale_with_an_address_leads_to_the_order(client, office):
    response = client.post(f"{LIST}do/sell/", sale(make_tier(), email="ana@example.com", method="card"))

    order = Order.objects.get()
    assert (response.url, OutboxEmail.objects.get().recipient_email) == (address(order), "ana@example.com")


def test_sale_to_somebody_who_goes_in_leads_to_the_next_one(client, office):
    tier = make_tier(make_event(event_date=timezone.localdate(), event_time=timezone.localtime().time()))

    response = client.post(f"{LIST}do/sell/", sale(tier, let_in="on"))

    assert (response.url, CheckIn.objects.get().admitted) == (f"{LIST}do/sell/?tier={tier.pk}&quantity=2", 2)
    again = client.get(response.url).context["form"].initial
    assert (again["tier"], again["quantity"]) == (str(tier.pk), "2")


def test_free_ticket_at_the_door_is_called_free(client, office):
    tier = make_tier(price=0)

    assert f"{tier.name}, free, 100 left" in page(client, f"{LIST}do/sell/")
    response = client.post(f"{LIST}do/sell/", sale(tier), follow=True)

    order = Order.objects.get()
    assert f"Free: order {order}." in response.content.decode()
    assert "Free at the door" in page(client, address(order))


def test_sale_from_a_damaged_form_says_so(client, office):
    response = client.post(f"{LIST}do/sell/", sale(make_tier(), attempt="x" * 101))

    assert "This page came back damaged." in response.content.decode()
    assert not Order.objects.exists()


@pytest.mark.parametrize("name", ["Ana\nLet in: Bruno", "Ana\u202eanurB"])
def test_name_with_characters_that_cannot_be_seen_is_refused_at_the_door(client, office, name):
    response = client.post(f"{LIST}do/sell/", sale(make_tier(), name=name))

    assert "characters that cannot be seen" in response.content.decode()
    assert not Order.objects.exists()


def test_sale_that_cannot_be_says_why(client, office):
    tier = make_tier(quantity=1)

    response = client.post(f"{LIST}do/sell/", sale(tier))

    assert (response.status_code, "Not enough tickets left." in response.content.decode()) == (422, True)
    assert not Order.objects.exists()


@pytest.mark.parametrize("changes", [{"quantity": 0}, {"method": "beads"}, {"tier": "x"}, {"email": "ana"}])
def test_sale_asks_again_for_what_is_wrong(client, office, changes):
    response = client.post(f"{LIST}do/sell/", sale(make_tier(), **changes))

    assert (response.status_code, Order.objects.exists()) == (200, False)


def test_night_that_is_not_on_is_not_offered(client, office):
    for fields in ({"status": "draft"}, {"status": "cancelled"}, {"event_date": timezone.localdate() - timedelta(3)}):
        tier = make_tier(make_event(**fields))
        assert str(tier.pk) not in page(client, f"{LIST}do/sell/")
        assert client.post(f"{LIST}do/sell/", sale(tier)).status_code == 200
    assert not Order.objects.exists()


def test_tickets_are_given_away_for_a_reason(client, office):
    form = {"tier": str(make_tier().pk), "quantity": 1, "name": "Radio", "attempt": "n-1"}

    assert client.post(f"{LIST}do/give-away/", form).status_code == 200
    client.post(f"{LIST}do/give-away/", {**form, "reason": "Press"})

    order = Order.objects.get()
    assert (order.total_price, order.payment_provider, order.payment_reference) == (0, "comp", "Press")


def test_ticket_of_an_order_that_is_not_paid_is_not_shown(client, office):
    order = make_order()

    assert client.get(f"{LIST}{order.pk}/ticket/").url == address(order)
    assert client.get(f"{LIST}{uuid.uuid4()}/ticket/").status_code == 404


# --- Timeline ------------------------------------------------------------------------------------------------


def told(client, order):
    return [(moment.what, moment.by) for moment in client.get(address(order)).context["timeline"]]


def test_timeline_tells_what_happened_and_by_whom(client, office):
    order = make_order(quantity=2)
    receive(bodies.recurrente(order))
    OutboxEmail.objects.update(status="sent", sent_at=timezone.now())
    people = make_user()
    people.name = "Diego Door"
    people.save()
    checkin.check_in(checkin.Scan(text=str(order.pk), actor=people, people=1))
    with pytest.raises(Refused):
        checkin.check_in(checkin.Scan(text=str(order.pk), actor=people, people=2))
    status.refund(order.pk, actor=office, force=True)

    moments = told(client, order)

    whats = [what for what, _ in moments]
    # What one transaction did has one moment.
    assert (whats[0], sorted(whats[1:3]), sorted(whats[3:6]), sorted(whats[6:])) == (
        "Placed",
        ["Money taken", "Paid"],
        ["Let in", "Ticket mailed", "Turned away at the door"],
        ["Money to be given back", "Refunded", "Word of the refund waits to be mailed"],
    )
    by = dict(moments)
    assert (by["Placed"], by["Let in"], by["Turned away at the door"], by["Refunded"]) == (
        "the guest",
        "Diego Door",
        "Diego Door",
        "Ana Staff",
    )


def test_timeline_of_a_door_sale_names_who_sold(client, office):
    tier = make_tier()
    wish = box_office.Wish(event_id=tier.event_id, tier_id=tier.pk, quantity=1)

    moments = told(client, box_office.sell(wish, method="cash", actor=office))

    assert set(moments) == {("Placed", "Ana Staff"), ("Paid", "Ana Staff")}


def test_page_of_an_order_costs_no_more_with_a_longer_history(client, office):
    order = make_order(status="paid", quantity=9)
    checkin.check_in(checkin.Scan(text=str(order.pk), actor=office, people=1))
    client.get(address(order))
    with CaptureQueriesContext(connection) as before:
        page(client, address(order))

    for number in range(4):
        checkin.check_in(checkin.Scan(text=str(order.pk), actor=make_user(), people=1))
        RefusedScan.objects.create(order=order, code="NOT_PAID", presented_hash=str(number), scanned_by=make_user())
        Payment.objects.create(order=order, provider="x", reference=str(number), reviewed_by=None)
    with CaptureQueriesContext(connection) as after:
        page(client, address(order))

    assert len(after) == len(before) < 20
