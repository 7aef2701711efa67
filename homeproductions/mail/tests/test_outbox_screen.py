"""The outbox in Django admin."""

import re

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives

from accounts.services import staff
from audit.models import AuditLog
from homeproductions.mail import registry
from homeproductions.mail.errors import NotWanted
from homeproductions.mail.models import OutboxEmail
from homeproductions.mail.services import queue
from tests.factories import make_order, make_user

LIST = "/admin/mail/outboxemail/"


@pytest.fixture
def ana(client, db):
    user = make_user("admin")
    client.force_login(user)
    return user


@pytest.fixture
def ticket(db):
    order = make_order(status="paid", buyer_name="Lucía <b>Pérez</b>")
    return queue("ticket", order=order, recipient=order.buyer_email, subject="Your ticket")


def history():
    """Without the sign-ins of these tests."""
    return AuditLog.objects.exclude(action="LOGIN")


def found(client, query):
    return set(client.get(f"{LIST}?{query}").context["cl"].result_list)


def frame_of(page):
    return re.search(r'<iframe[^>]+src="([^"]+)"', page.content.decode())[1]


def test_door_staff_see_no_mail(client, make_note, db):
    email = make_note()
    client.force_login(make_user("staff"))
    paths = ("", f"{email.pk}/change/", f"{email.pk}/preview/", f"{email.pk}/preview/html/", f"{email.pk}/do/retry/")

    assert {client.get(LIST + path).status_code for path in (*paths, "do/send-test/")} == {403}
    assert client.post(f"{LIST}{email.pk}/do/cancel/").status_code == 403
    email.refresh_from_db()
    assert (email.status, history().count()) == ("pending", 0)


def test_states_are_filtered_as_the_dashboard_links_to_them(client, ana, make_note):
    failed = make_note(status="failed")
    stuck = make_note(next_attempt_at=ana.created_at.replace(year=2020))
    waiting = make_note()
    sent = make_note(status="sent")
    closed = make_note(status="failed", closed_at=ana.created_at)

    assert found(client, "state=failed") == {failed}
    assert found(client, "state=stuck") == {stuck}
    assert found(client, "state=waiting") == {stuck, waiting}
    assert found(client, "state=sent") == {sent}
    assert found(client, "state=not-wanted") == {closed}
    assert len(found(client, "")) == 5


def test_page_of_a_mail_leaves_out_what_is_not_known(client, ana, ticket):
    text = client.get(f"{LIST}{ticket.pk}/change/").content.decode()

    assert ("Attempts:" in text, "Sent at:" in text, "What went wrong:" in text) == (True, False, False)


def test_unknown_state_finds_no_mail(client, ana, make_note):
    make_note()

    assert found(client, "state=zzz") == set()


def test_mail_is_found_by_order_and_by_the_beginning_of_its_address(client, ana, make_note, ticket):
    note = make_note(recipient_email="Ana.Paz@example.com")

    assert found(client, f"q={ticket.order.order_number.lower()}") == {ticket}
    assert found(client, f"q={ticket.order_id}") == {ticket}
    assert found(client, "q=ana.paz") == {note}
    assert found(client, "q=paz") == set()
    assert found(client, "kind=ticket") == {ticket}


def test_list_has_few_queries(client, ana, django_assert_num_queries, make_note):
    def fill():
        queue("ticket", order=make_order(status="paid"), recipient="a@example.com", subject="Ticket")

    fill()
    with django_assert_num_queries(4):
        client.get(LIST)
    fill()
    fill()
    with django_assert_num_queries(4):
        client.get(LIST)


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({"status": "pending"}, ["Preview", "Retry", "Do not send"]),
        ({"status": "processing"}, ["Preview", "Do not send"]),
        ({"status": "sent"}, ["Preview"]),
        ({"status": "failed"}, ["Preview", "Retry", "Take off the list"]),
    ],
)
def test_only_what_fits_is_offered(client, ana, make_note, fields, labels):
    page = client.get(f"{LIST}{make_note(**fields).pk}/change/")

    assert [step["label"] for step in page.context["steps"]] == labels


@pytest.mark.parametrize(
    ("fields", "step", "after"),
    [
        ({"status": "failed", "attempts": 5}, "retry", ("pending", 0, False)),
        ({"status": "pending", "attempts": 2}, "cancel", ("failed", 2, True)),
        ({"status": "failed", "attempts": 1}, "dismiss", ("failed", 1, True)),
    ],
)
def test_step_says_what_it_does_and_does_it(client, ana, make_note, fields, step, after):
    email = make_note(error_message="the mail server answered 421 busy", **fields)
    path = f"{LIST}{email.pk}/do/{step}/"
    assert "The mail server was busy" in client.get(path).content.decode()

    assert client.post(path).status_code == 302

    email.refresh_from_db()
    assert (email.status, email.attempts, email.closed_at is not None) == after
    assert history().get().user == ana


def test_test_mail_is_for_whoever_asks(client, ana):
    client.post(f"{LIST}do/send-test/")

    assert OutboxEmail.objects.get().recipient_email == ana.email


def test_nothing_to_retry_is_refused_in_words(client, ana):
    response = client.post(f"{LIST}do/retry-given-up/")

    assert (response.status_code, "No mail was given up lately" in response.content.decode()) == (422, True)


def test_preview_shows_the_mail_and_notes_who_looked(client, ana, ticket):
    page = client.get(f"{LIST}{ticket.pk}/preview/")
    frame = client.get(frame_of(page))

    html = frame.content.decode()
    assert "lucia@example.com" in page.content.decode()
    assert "data:image/png;base64," in html
    assert "cid:" not in html
    row = history().get()
    assert (row.action, row.entity_id, row.user) == ("PREVIEW", ticket.pk, ana)
    ticket.refresh_from_db()
    assert (ticket.status, ticket.attempts, mail.outbox) == ("pending", 0, [])


def test_guests_name_is_no_markup_in_the_text_of_a_preview(client, ana, ticket):
    page = client.get(f"{LIST}{ticket.pk}/preview/").content.decode()

    assert ("Hello Lucía &lt;b&gt;Pérez&lt;/b&gt;," in page, "<b>Pérez" in page) == (True, False)


def test_frame_may_do_nothing_but_be_seen(client, ana, ticket):
    frame = client.get(frame_of(client.get(f"{LIST}{ticket.pk}/preview/")))

    policy = dict(rule.strip().partition(" ")[::2] for rule in frame.headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "frame-ancestors": "'self'",
        "sandbox": "",
    }
    assert frame.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "no-store" in frame.headers["Cache-Control"]


def test_frame_alone_shows_nothing_unnoted(client, ana, ticket, make_note):
    page = f"{LIST}{ticket.pk}/preview/"
    src = frame_of(client.get(page))
    others = (f"{page}html/", f"{page}html/?look=forged", src.replace(str(ticket.pk), str(make_note().pk)))
    for address in others:
        assert client.get(address).status_code == 302

    client.force_login(make_user("admin"))
    assert client.get(src).headers["Location"] == page


def test_mail_that_nobody_wants_or_that_cannot_be_made_is_explained(client, ana, make_note, monkeypatch):
    email = make_note()
    for error, words in (
        (NotWanted("the order was refunded"), "It would not be sent now: the order was refunded."),
        (KeyError("subscriber"), "It cannot be made now: KeyError"),
    ):

        def fail(email, error=error):
            raise error

        monkeypatch.setitem(registry.RENDERERS, "note", fail)
        page = client.get(f"{LIST}{email.pk}/preview/")
        assert (page.status_code, words in page.content.decode(), "<iframe" in page.content.decode()) == (
            200,
            True,
            False,
        )
    assert history().count() == 0


def test_mail_without_html_is_shown_as_text(client, ana, make_note, monkeypatch):
    monkeypatch.setitem(registry.RENDERERS, "note", lambda email: EmailMultiAlternatives(body="Hello <you>."))

    page = client.get(f"{LIST}{make_note().pk}/preview/").content.decode()
    assert ("Hello &lt;you&gt;." in page, "<iframe" in page) == (True, False)


def test_preview_of_a_password_link_gives_no_way_in(client, ana):
    boss = make_user("superadmin")
    staff.send_link(make_user("superadmin").pk, actor=boss)
    email = OutboxEmail.objects.get()

    page = client.get(f"{LIST}{email.pk}/preview/")
    frame = client.get(frame_of(page))
    links = re.findall(r"/admin/set-password/[^\s\"<]+", page.content.decode() + frame.content.decode())
    assert len(links) == 2
    assert {client.get(link).status_code for link in links} == {404}


def test_there_is_no_such_mail(client, ana, ticket):
    missing = "00000000-0000-4000-8000-000000000000"

    for path in (f"{missing}/preview/", f"{missing}/preview/html/", f"{missing}/do/retry/"):
        assert client.get(LIST + path).status_code == 404
