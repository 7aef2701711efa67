"""What a person does with mail: look, retry, call off, test. Nothing else happens by it."""

from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone

from audit.models import AuditLog
from homeproductions.errors import NotFound
from homeproductions.mail import desk, queries, registry
from homeproductions.mail.delivery import process_due
from homeproductions.mail.errors import NothingToRetry, Overtaken, TooLate
from homeproductions.mail.models import OutboxEmail
from homeproductions.mail.services import queue
from homeproductions.mail.turns import claim
from orders import codes
from orders.models import Order
from tests.factories import make_order, make_user

pytestmark = pytest.mark.django_db
NOW = timezone.now
HOUR = timedelta(hours=1)


@pytest.fixture
def ana():
    return make_user("admin")


def history():
    return [(row.action, row.old_value, row.new_value) for row in AuditLog.objects.order_by("created_at")]


def test_failed_mail_goes_out_after_a_retry(make_note, ana):
    email = make_note(status="failed", attempts=5, error_message="gave up after 5 attempts", last_attempt_at=NOW())

    desk.retry(email.pk, actor=ana)
    process_due()

    email.refresh_from_db()
    assert (email.status, email.attempts, email.error_message, len(mail.outbox)) == ("sent", 1, None, 1)
    old, new = {"status": "failed", "attempts": 5}, {"status": "pending", "attempts": 0}
    assert history() == [("MAIL_RETRY", old, new)]


def test_waiting_mail_is_hurried(make_note, ana):
    email = make_note(attempts=3, next_attempt_at=NOW() + HOUR)

    assert desk.retry(email.pk, actor=ana).next_attempt_at <= NOW()


def test_mail_that_was_called_off_may_be_sent_after_all(make_note, ana):
    email = make_note()
    desk.call_off(email.pk, actor=ana)
    process_due()
    assert mail.outbox == []

    desk.retry(email.pk, actor=ana)
    process_due()
    assert len(mail.outbox) == 1


@pytest.mark.parametrize("status", ["processing", "sent"])
def test_mail_on_its_way_or_gone_is_not_retried(make_note, ana, status):
    email = make_note(status=status, lease_until=NOW() + HOUR)

    with pytest.raises(TooLate):
        desk.retry(email.pk, actor=ana)
    assert (history(), OutboxEmail.objects.get().status) == ([], status)


def test_retry_makes_way_for_a_newer_mail_of_the_order(ana):
    order = make_order(status="paid")
    old = OutboxEmail.objects.create(order=order, email_type="ticket", recipient_email="a@example.com", status="failed")
    queue("ticket", order=order, recipient="b@example.com", subject="Ticket")

    with pytest.raises(Overtaken):
        desk.retry(old.pk, actor=ana)
    assert (history(), OutboxEmail.objects.get(pk=old.pk).status) == ([], "failed")


def test_called_off_mail_counts_as_no_failure_and_keeps_its_reason(make_note, ana):
    email = make_note(status="failed", error_message="550 no")

    desk.call_off(email.pk, actor=ana)

    email.refresh_from_db()
    assert (email.status, email.has_failed, queries.failed().count()) == ("failed", False, 0)
    assert email.error_message == "called off in the office; before: 550 no"
    assert history() == [("MAIL_CALLED_OFF", {"status": "failed", "attempts": 0}, {"status": "failed"})]


def test_mail_called_off_while_it_is_sent_stays_called_off(make_note, ana, monkeypatch):
    email = make_note()
    monkeypatch.setitem(
        registry.RENDERERS,
        "note",
        lambda row: desk.call_off(row.pk, actor=ana) and EmailMultiAlternatives(body="Hello."),
    )
    process_due()

    email.refresh_from_db()
    assert (email.status, email.closed_at is not None, email.sent_at) == ("failed", True, None)


@pytest.mark.parametrize("fields", [{"status": "sent"}, {"status": "failed", "closed_at": NOW()}])
def test_what_is_over_is_not_called_off(make_note, ana, fields):
    with pytest.raises(TooLate):
        desk.call_off(make_note(**fields).pk, actor=ana)
    assert history() == []


def test_unknown_mail_is_refused(make_note, ana):
    email = make_note()
    email_id = email.pk
    email.delete()

    for act in (desk.retry, desk.call_off):
        with pytest.raises(NotFound):
            act(email_id, actor=ana)


GIVEN_UP = {"status": "failed", "attempts": 5, "last_attempt_at": NOW(), "error_message": "gave up after 5 attempts"}


def test_all_that_were_given_up_are_retried_at_once(make_note, ana):
    order = make_order(status="paid")
    newest = NOW()
    wanted = [make_note(**GIVEN_UP), make_note(**GIVEN_UP)]
    replaced = make_note(**GIVEN_UP, order=order, created_at=newest - HOUR)
    make_note(status="sent", order=order, created_at=newest)
    refused = make_note(**{**GIVEN_UP, "attempts": 1})
    old = make_note(**{**GIVEN_UP, "last_attempt_at": NOW() - timedelta(days=8)})
    closed = make_note(**GIVEN_UP, closed_at=NOW())

    assert desk.retry_given_up(actor=ana) == 2

    due = set(OutboxEmail.objects.filter(status="pending").values_list("pk", flat=True))
    assert due == {email.pk for email in wanted}
    for email in (replaced, refused, old, closed):
        email.refresh_from_db()
        assert email.status == "failed"


def test_nothing_to_retry_is_said(make_note, ana):
    make_note(status="failed", attempts=1)

    with pytest.raises(NothingToRetry):
        desk.retry_given_up(actor=ana)


def test_test_mail_goes_the_way_of_all_mail(ana):
    desk.send_test(actor=ana)
    process_due()

    [message] = mail.outbox
    assert (message.to, message.subject) == ([ana.email], "A test mail from Home Productions")
    assert "Tickets go the same way" in message.body
    assert [action for action, _, _ in history()] == ["MAIL_TEST"]


def test_preview_is_the_very_mail_and_changes_nothing():
    order = make_order(status="paid")
    email = queue("ticket", order=order, recipient=order.buyer_email, subject="Your ticket")
    before = OutboxEmail.objects.values().get()

    shown = desk.preview(email)

    assert (OutboxEmail.objects.values().get(), mail.outbox, history()) == (before, [], [])
    process_due()
    [sent] = mail.outbox
    assert (shown.body, shown.subject, shown.to, shown.from_email) == (
        sent.body,
        sent.subject,
        sent.to,
        sent.from_email,
    )
    assert shown.alternatives[0][0] == sent.alternatives[0][0]


def test_preview_issues_no_new_code_when_the_key_has_changed(settings):
    order = make_order(status="paid")
    email = queue("ticket", order=order, recipient=order.buyer_email, subject="Your ticket")
    settings.TICKET_KEY = "another key of at least thirty-two characters"

    shown = desk.preview(email)

    assert codes.code_for(order.pk, 2) in shown.body
    assert (Order.objects.values_list("code_version").get(), history()) == ((1,), [])


def test_failed_and_stuck_are_what_needs_somebody(make_note):
    test_order = make_order(is_test=True)
    failed = make_note(status="failed")
    late = make_note(next_attempt_at=NOW() - HOUR)
    lapsed = make_note(status="processing", lease_until=NOW() - HOUR)
    make_note(status="failed", closed_at=NOW())
    make_note(status="failed", order=test_order)
    make_note(next_attempt_at=NOW() - timedelta(minutes=5))
    make_note(next_attempt_at=NOW() + HOUR)
    make_note(status="processing", lease_until=NOW() - timedelta(minutes=5))

    assert list(queries.failed()) == [failed]
    assert set(queries.stuck()) == {late, lapsed}


def test_retry_waits_for_no_worker_that_holds_the_mail(make_note, ana):
    make_note()
    (held,) = claim()

    with pytest.raises(TooLate):
        desk.retry(held.pk, actor=ana)
