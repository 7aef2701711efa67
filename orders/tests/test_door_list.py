"""The door list of a night: on the screen, on paper, as a file."""

import csv
import io
import uuid
from datetime import timedelta

import openpyxl
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditLog
from orders import door_list, statistics
from orders import season as figures
from orders.models import CheckIn, RefusedScan
from orders.services import checkin
from tests.factories import make_event, make_order, make_tier, make_user

pytestmark = pytest.mark.django_db
CONTACTS = ("lucia@example.com", "5555 0123")


@pytest.fixture
def door(client):
    user = make_user("staff")
    client.force_login(user)
    return user


@pytest.fixture
def tier():
    return make_tier(make_event(name="Luna Llena", event_date=timezone.localdate()))


def guest(tier, name, **fields):
    return make_order(tier, "paid", **{"buyer_name": name, "buyer_phone": "+502 5555 0123", **fields})


def path(tier, rest=""):
    return f"/admin/door/{tier.event_id}/{rest}"


def page(client, address):
    response = client.get(address)
    text = response.content.decode()
    assert response.status_code == 200
    assert "<script>" not in text
    assert " style=" not in text
    return text


def names(client, address):
    return [order.buyer_name for order in client.get(address).context["orders"]]


def press(client, tier, order, **changes):
    form = {"order": order.order_number, "people": order.quantity, "nonce": str(uuid.uuid4()), **changes}
    return client.post(path(tier), form, follow=True).content.decode()


# --- Looking -------------------------------------------------------------------------------------------------


def test_list_has_the_paid_orders_by_name(client, door, tier):
    for name in ("Óscar", "bruno", "Ana", "Pablo", "Ordóñez"):
        guest(tier, name)
    make_order(tier, "pending", buyer_name="Not Paid")
    make_order(tier, "refunded", buyer_name="Refunded")
    make_order(tier, "paid", buyer_name="A Test", is_test=True)
    make_order(status="paid", buyer_name="Another Night")

    assert names(client, path(tier)) == ["Ana", "bruno", "Ordóñez", "Óscar", "Pablo"]
    assert [order.letter for order in client.get(path(tier)).context["orders"]] == ["A", "B", "O", "O", "P"]


def test_list_shows_no_contacts_to_anybody(client, door, tier):
    guest(tier, "Ana")

    for user in (door, make_user("admin")):
        client.force_login(user)
        for address in (path(tier), path(tier, "?print=1"), path(tier, "?q=ana")):
            assert not [word for word in CONTACTS if word in page(client, address)]


def test_list_is_searched_by_name_and_number(client, door, tier):
    order = guest(tier, "José Pérez")
    guest(tier, "Ana")

    assert names(client, path(tier, "?q=jose perez")) == ["José Pérez"]
    assert names(client, path(tier, f"?q={order.order_number.lower()}")) == ["José Pérez"]
    assert names(client, path(tier, f"?q={order.order_number[-5:]}")) == ["José Pérez"]
    assert names(client, path(tier, "?q=lucia@example.com")) == []
    assert "Nobody has “zzz”" in page(client, path(tier, "?q=zzz"))


def test_search_also_finds_those_who_may_not_come_in(client, door, tier):
    make_order(tier, "pending", buyer_name="Ana Pending")
    make_order(tier, "refunded", buyer_name="Ana Refunded")

    text = page(client, path(tier, "?q=ana"))

    assert ("Not paid" in text, "Refunded</strong>" in text, "Yes, let in" in text) == (True, True, False)


def test_list_shows_who_is_in(client, door, tier):
    partly, whole, nobody = guest(tier, "Ana", quantity=3), guest(tier, "Bruno"), guest(tier, "Carla")
    checkin.check_in(checkin.Scan(text=str(partly.pk), actor=door, people=1))
    checkin.check_in(checkin.Scan(text=str(whole.pk), actor=door))

    text = page(client, path(tier))

    assert "<strong>2</strong> of 5 inside" in text
    assert "1 of 3 in" in text
    assert statistics.doors([tier.event_id]) == {tier.event_id: (5, 2)}
    assert figures.season()[tier.event_id].people_inside == 2
    assert names(client, path(tier, "?show=waiting")) == [partly.buyer_name, nobody.buyer_name]
    assert names(client, path(tier, "?show=inside")) == [partly.buyer_name, whole.buyer_name]


def test_long_list_has_pages_and_paper_has_none(client, door, tier, monkeypatch):
    monkeypatch.setattr("orders.admin.door.PER_PAGE", 2)
    for name in ("Ana", "Bruno", "Carla"):
        guest(tier, name)

    assert names(client, path(tier)) == ["Ana", "Bruno"]
    assert names(client, path(tier, "?page=2")) == ["Carla"]
    assert names(client, path(tier, "?page=x")) == ["Ana", "Bruno"]
    assert names(client, path(tier, "?print=1")) == ["Ana", "Bruno", "Carla"]
    assert "let-in" not in page(client, path(tier, "?print=1"))


def test_list_costs_the_same_for_more_guests(client, door, tier):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            page(client, path(tier))
        return len(captured)

    guest(tier, "Ana")
    first = queries()
    for _ in range(3):
        checkin.check_in(checkin.Scan(text=guest(tier, "Bruno").order_number, actor=door))

    assert queries() == first < 10


def test_nights_are_listed_with_their_doors(client, door, tier, django_assert_max_num_queries):
    order = guest(tier, "Ana", quantity=3)
    checkin.check_in(checkin.Scan(text=str(order.pk), actor=door, people=1))
    make_event(name="Secret Draft", status="draft")

    with django_assert_max_num_queries(8):
        text = page(client, "/admin/door/")

    assert ("Luna Llena" in text, "1 of 3 inside" in text, "Secret Draft" in text) == (True, True, False)


# --- Letting in ----------------------------------------------------------------------------------------------


def test_press_lets_the_order_in(client, door, tier):
    order = guest(tier, "Ana", quantity=2)

    text = press(client, tier, order, q="an", show="waiting")

    assert f"Welcome, Ana! 2 of 2 are in now, order {order}." in text
    checked_in = CheckIn.objects.get()
    assert (checked_in.order, checked_in.admitted, checked_in.checked_in_by) == (order, 2, door)


def test_press_goes_back_to_where_one_was(client, door, tier):
    order = guest(tier, "Ana")

    response = client.post(path(tier), {"order": order.order_number, "people": 1, "q": "an a", "page": "2"})

    assert response.url == path(tier, f"?q=an+a&page=2#order-{order.order_number}")


def test_press_sent_twice_lets_in_once(client, door, tier):
    order = guest(tier, "Ana", quantity=4)

    for _ in range(2):
        assert "Welcome, Ana!" in press(client, tier, order, people=2, nonce="n-1")

    assert CheckIn.objects.get().admitted == 2


def test_press_sent_twice_with_other_words_says_what_is_noted(client, door, tier):
    order = guest(tier, "Ana", quantity=4)

    press(client, tier, order, people=1, nonce="n-1")

    assert "Welcome, Ana! 1 of 4 are in now" in press(client, tier, order, people=3, nonce="n-1")
    assert CheckIn.objects.get().admitted == 1


def test_nobody_is_let_in_before_the_day_of_the_night(client, door):
    tier = make_tier(make_event(event_date=timezone.localdate() + timedelta(days=1)))
    order = guest(tier, "Ana")

    text = page(client, path(tier))

    assert ("Nobody goes in yet: this night is on" in text, "Yes, let in" in text) == (True, False)
    assert "not let in. Nobody goes in yet" in press(client, tier, order)
    assert not CheckIn.objects.exists()


@pytest.mark.parametrize("people", ["", "0", "-1", "5", "x", "²", "9" * 30])
def test_press_for_a_number_that_cannot_be_lets_nobody_in(client, door, tier, people):
    order = guest(tier, "Ana", quantity=4)

    assert "not let in. This order admits 4." in press(client, tier, order, people=people)
    assert not CheckIn.objects.exists()


def test_press_for_another_night_is_refused_and_kept(client, door, tier):
    other = make_order(status="paid")

    assert f"{other}: not let in. This ticket is for" in press(client, tier, other)
    assert (CheckIn.objects.exists(), RefusedScan.objects.get().code) == (False, "WRONG_EVENT")


def test_night_that_is_off_has_no_buttons(client, door, tier):
    order = guest(tier, "Ana")
    type(tier.event).objects.update(status="cancelled")

    assert "Yes, let in" not in page(client, path(tier))
    assert "not let in. This event was cancelled" in press(client, tier, order)


# --- Files ---------------------------------------------------------------------------------------------------


def read_csv(response):
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def read_xlsx(response):
    book = openpyxl.load_workbook(io.BytesIO(b"".join(response.streaming_content)))
    return [[cell.value for cell in row] for row in book.active.iter_rows()]


def test_file_for_the_door_has_no_contacts(client, door, tier):
    order = guest(tier, "Ana", quantity=2)
    checkin.check_in(checkin.Scan(text=str(order.pk), actor=door, people=1))

    header, row = read_csv(client.get(path(tier, "csv/")))

    assert header == ["Name", "Order", "Ticket", "People", "In", "First in at"]
    assert row[:5] == ["Ana", order.order_number, "General", "2", "1"]


def test_file_for_the_office_says_how_to_reach_guests(client, tier):
    client.force_login(make_user("admin"))
    guest(tier, "Ana", corrected_email="ana@example.com")

    for read, kind in ((read_csv, "csv"), (read_xlsx, "xlsx")):
        header, row = read(client.get(path(tier, f"{kind}/")))
        assert header[-2:] == ["E-mail", "Phone"]
        assert row[0] == "Ana"
        assert "ana@example.com" in row


def test_formula_of_a_guest_stays_text(client, door, tier):
    guest(tier, '=HYPERLINK("http://evil.example")')

    for read, kind in ((read_csv, "csv"), (read_xlsx, "xlsx")):
        [_, row] = read(client.get(path(tier, f"{kind}/")))
        assert row[0] == '\'=HYPERLINK("http://evil.example")'


def test_taking_a_file_is_audited_without_names(client, door, tier):
    guest(tier, "Ana")

    client.get(path(tier, "csv/"))
    client.force_login(make_user("admin"))
    client.get(path(tier, "xlsx/"))

    logs = AuditLog.objects.filter(action="EXPORT").order_by("created_at")
    assert [(log.entity_id, log.new_value) for log in logs] == [
        (tier.event_id, {"what": "door list", "format": "csv", "with_contacts": False}),
        (tier.event_id, {"what": "door list", "format": "xlsx", "with_contacts": True}),
    ]
    assert logs[0].user == door


def test_rows_are_read_in_pieces(tier, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr("orders.door_list.CHUNK", 2)
    for number in range(5):
        guest(tier, f"Guest {number}")

    with django_assert_num_queries(1):
        rows = list(door_list.door_rows(tier.event, with_contacts=False))

    assert [row[0] for row in rows] == [f"Guest {number}" for number in range(5)]


# --- Who may -------------------------------------------------------------------------------------------------


def test_nobody_else_sees_a_door(client, tier):
    for rest in ("", "csv/", "xlsx/"):
        assert client.get(path(tier, rest)).status_code == 302
    assert client.get("/admin/door/").status_code == 302
    client.force_login(make_user("staff", is_active=False))
    assert client.get(path(tier)).status_code == 302


def test_unknown_and_deleted_nights_are_not_there(client, door):
    deleted = make_tier(make_event(status="deleted"))

    for event_id in (deleted.event_id, uuid.uuid4()):
        for rest in ("", "csv/", "xlsx/"):
            assert client.get(f"/admin/door/{event_id}/{rest}").status_code == 404


def test_check_ins_and_refused_scans_are_listed(client, door, tier):
    order = guest(tier, "José")
    checkin.check_in(checkin.Scan(text=str(order.pk), actor=door))
    row = CheckIn.objects.get()

    text = page(client, "/admin/orders/checkin/?q=jose")
    assert (order.order_number in text, "1 of 1" in text) == (True, True)
    text = page(client, f"/admin/orders/checkin/{row.pk}/change/")
    assert not [word for word in CONTACTS if word in text]
    assert f"<h1>José, order {order}</h1>" in text
    assert client.get("/admin/orders/refusedscan/").status_code == 403

    client.force_login(make_user("admin"))
    refused = RefusedScan.objects.create(order=order, code="NOT_PAID", presented_hash="x", scanned_by=door)
    RefusedScan.objects.create(code="ORDER_NOT_FOUND", presented_hash="y")
    assert "This order is not paid." in page(client, f"/admin/orders/refusedscan/?event={tier.event_id}")
    assert len(client.get("/admin/orders/refusedscan/?code=ORDER_NOT_FOUND").context["cl"].result_list) == 1
    page(client, f"/admin/orders/refusedscan/{refused.pk}/change/")


def test_journal_is_listed_and_cannot_be_changed(client, tier):
    order = guest(tier, "Ana", quantity=2)
    entry = order.journal.get(kind="sale")
    client.force_login(make_user("staff"))
    assert client.get("/admin/orders/journalentry/").status_code == 403

    client.force_login(make_user("admin"))
    text = page(client, f"/admin/orders/journalentry/?q={order.order_number}")
    assert ("+51.00 USD" in text, "Luna Llena" in text) == (True, True)
    assert order.order_number in page(client, f"/admin/orders/journalentry/{entry.pk}/change/")
    assert client.post(f"/admin/orders/journalentry/{entry.pk}/change/", {"amount": 1}).status_code == 403
    assert client.get("/admin/orders/journalentry/add/").status_code == 403
