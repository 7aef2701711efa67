"""Claiming and delivering: who holds a mail, for how long, and what is written down in the end."""

from datetime import timedelta

import pytest
from constance import config
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone

from homeproductions.mail import registry, turns
from homeproductions.mail.delivery import Line, deliver, process_batch, process_due
from homeproductions.mail.errors import NotWanted
from homeproductions.mail.models import OutboxEmail
from homeproductions.mail.services import close_open
from homeproductions.mail.turns import claim, take_back, turn
from tests.factories import make_order

pytestmark = pytest.mark.django_db


def let_lease_lapse(email):
    OutboxEmail.objects.filter(pk=email.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def use_renderer(monkeypatch, function):
    monkeypatch.setitem(registry.RENDERERS, "note", function)


# --- Claim ---------------------------------------------------------------------------------------------------


def test_claim_counts_the_attempt_and_takes_a_lease(make_note):
    make_note()

    (email,) = claim()

    stored = OutboxEmail.objects.get()
    assert (stored.status, stored.attempts, stored.lease_until) == ("processing", 1, email.lease_until)
    assert stored.lease_until - stored.last_attempt_at == timedelta(seconds=120)


def test_claim_takes_so_many_and_the_oldest_first(make_note):
    now = timezone.now()
    emails = [make_note(next_attempt_at=now - timedelta(minutes=age)) for age in range(5)]

    claimed = claim(limit=3)

    assert [email.pk for email in claimed] == [email.pk for email in reversed(emails[2:])]


def test_claimed_mail_is_the_one_in_the_database(make_note):
    make_note(context={"order": None, "choices": [1, 2]})

    (email,) = claim()

    stored = OutboxEmail.objects.get()
    names = [field.attname for field in OutboxEmail._meta.concrete_fields]
    assert [getattr(email, name) for name in names] == [getattr(stored, name) for name in names]


def test_claim_leaves_what_is_not_due_or_is_held_by_somebody(make_note):
    make_note(next_attempt_at=timezone.now() + timedelta(minutes=1))
    make_note()

    assert [len(claim()), len(claim())] == [1, 0]


def test_mail_returns_when_its_lease_is_over(make_note):
    let_lease_lapse(make_note(status="processing", attempts=1))

    assert (claim(), take_back()) == ([], 0)
    (email,) = claim()

    assert email.attempts == 2


def test_mail_whose_lease_holds_is_not_taken_back(make_note):
    make_note()
    (held,) = claim()

    take_back()

    assert OutboxEmail.objects.get().lease_until == held.lease_until


def test_mail_that_killed_every_worker_is_given_up(make_note):
    let_lease_lapse(make_note(status="processing", attempts=5))

    tally = process_batch()

    stored = OutboxEmail.objects.get()
    assert (str(tally), stored.status) == ("sent 0, to be retried 0, failed 1", "failed")
    assert stored.error_message == "gave up after 5 attempts"


# --- Deliver -------------------------------------------------------------------------------------------------


def test_sent_mail_is_marked_and_never_sent_again(make_note, mailoutbox):
    make_note()

    tallies = [str(process_due()), str(process_due())]

    stored = OutboxEmail.objects.get()
    assert tallies == ["sent 1, to be retried 0, failed 0", "sent 0, to be retried 0, failed 0"]
    assert (stored.status, stored.attempts, stored.error_message) == ("sent", 1, None)
    assert stored.sent_at
    assert [message.to for message in mailoutbox] == [["lucia@example.com"]]


def test_sender_is_the_house_under_the_configured_address(make_note, mailoutbox, settings):
    settings.DEFAULT_FROM_EMAIL = "Somebody <tickets@hp.example>"
    config.site_name = "Casa\r\nBcc: all@example.com"
    email = make_note()

    process_due()

    headers = mailoutbox[0].message()
    assert "Bcc" not in headers
    assert mailoutbox[0].from_email.endswith(" <tickets@hp.example>")
    assert headers["Message-ID"] == f"<{email.pk}@hp.example>"
    assert headers["X-Outbox-Id"] == str(email.pk)


def test_worker_that_dies_before_its_note_sends_the_same_message_again(make_note, mailoutbox, monkeypatch):
    make_note()
    with monkeypatch.context() as broken:
        broken.setattr(turns, "turn", lambda result, limit: 1 / 0 if mailoutbox else turn(result, limit=limit))
        with pytest.raises(ZeroDivisionError):
            process_batch()
    let_lease_lapse(OutboxEmail.objects.get())

    process_batch()

    first, second = (message.message() for message in mailoutbox)
    assert first["Message-ID"] == second["Message-ID"]
    assert OutboxEmail.objects.get().status == "sent"


def test_everything_due_is_delivered_in_several_batches(make_note, mailoutbox):
    for _ in range(21):
        make_note()

    assert str(process_due()) == "sent 21, to be retried 0, failed 0"
    assert len(mailoutbox) == 21


def test_stopping_returns_the_rest_of_the_batch_untried(make_note, mailoutbox):
    for _ in range(3):
        make_note()

    process_due(keep_going=lambda: len(mailoutbox) < 1)

    rows = OutboxEmail.objects.values_list("status", "attempts", "lease_until")
    assert sorted(rows) == [("pending", 0, None), ("pending", 0, None), ("sent", 1, None)]


# --- Fencing -------------------------------------------------------------------------------------------------


def test_worker_that_lost_its_lease_writes_nothing(make_note):
    make_note()
    (slow,) = claim()
    let_lease_lapse(slow)
    take_back()
    (fast,) = claim()

    assert turn(deliver(slow, Line()), limit=0) == (False, [])
    assert OutboxEmail.objects.get().lease_until == fast.lease_until


def test_same_number_of_attempts_is_not_the_same_claim(make_note):
    make_note()
    (slow,) = claim()
    OutboxEmail.objects.update(status="pending", attempts=0)  # it came back and was queued again
    claim()

    assert turn(deliver(slow, Line()), limit=0) == (False, [])
    assert OutboxEmail.objects.get().status == "processing"


def test_mail_closed_while_it_is_sent_stays_closed(monkeypatch, mailoutbox):
    order = make_order()
    OutboxEmail.objects.create(order=order, email_type="note", recipient_email="lucia@example.com")

    def refund_meanwhile(email):
        close_open(order, reason="the order was refunded")
        return EmailMultiAlternatives(body="Hello.")

    use_renderer(monkeypatch, refund_meanwhile)

    assert str(process_due()) == "sent 0, to be retried 0, failed 0"
    stored = OutboxEmail.objects.get()
    assert (stored.error_message, stored.closed_at is not None) == ("the order was refunded", True)


def test_mail_closed_while_the_one_before_it_was_sent_does_not_leave(make_note, mailoutbox, monkeypatch):
    make_note()
    second = make_note(recipient_email="second@example.com")

    def close_second(email):
        OutboxEmail.objects.filter(pk=second.pk).update(status="failed", lease_until=None)
        return EmailMultiAlternatives(body="Hello.")

    use_renderer(monkeypatch, close_second)
    process_due()

    assert [message.to for message in mailoutbox] == [["lucia@example.com"]]


# --- Failures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("attempts", "minutes"), [(0, 1), (1, 10), (2, 60), (3, 360)])
def test_temporary_failure_waits_longer_each_time(make_note, monkeypatch, attempts, minutes):
    make_note(attempts=attempts)
    use_renderer(monkeypatch, lambda email: 1 / 0)

    process_due()

    stored = OutboxEmail.objects.get()
    assert (stored.status, stored.attempts) == ("pending", attempts + 1)
    assert stored.error_message == "ZeroDivisionError: division by zero"
    assert (stored.next_attempt_at - stored.last_attempt_at).total_seconds() // 60 == minutes


def test_fifth_failure_is_the_last(make_note, monkeypatch):
    make_note(attempts=4)
    use_renderer(monkeypatch, lambda email: 1 / 0)

    process_due()

    stored = OutboxEmail.objects.get()
    assert (stored.status, stored.attempts, stored.closed_at) == ("failed", 5, None)
    assert stored.error_message == "gave up after 5 attempts: ZeroDivisionError: division by zero"


def test_one_mail_that_cannot_be_rendered_holds_up_no_other(make_note, mailoutbox):
    make_note(email_type="nobody-renders-this", next_attempt_at=timezone.now() - timedelta(hours=1))
    make_note()

    assert str(process_due()) == "sent 1, to be retried 1, failed 0"


def test_mail_whose_reason_is_gone_is_closed_and_no_failure(make_note, monkeypatch, caplog):
    def render(email):
        raise NotWanted("the order is refunded, not paid")

    make_note()
    use_renderer(monkeypatch, render)

    assert str(process_due()) == "sent 0, to be retried 0, failed 0, no longer wanted 1"
    stored = OutboxEmail.objects.get()
    assert (stored.status, stored.error_message) == ("failed", "the order is refunded, not paid")
    assert (stored.closed_at is not None, stored.lease_until) == (True, None)
    assert [record for record in caplog.records if record.levelname != "INFO"] == []


@pytest.mark.parametrize("recipient", ["", "nobody", "a@b.example, c@d.example", "a@b.example\nBcc: c@d.example"])
def test_unusable_address_fails_at_once(make_note, mailoutbox, recipient):
    make_note(recipient_email=recipient)

    process_due()

    stored = OutboxEmail.objects.get()
    assert (stored.status, stored.attempts, stored.error_message) == ("failed", 1, "this is not an e-mail address")
    assert mailoutbox == []


def test_forged_header_fails_at_once(make_note, mailoutbox):
    make_note(subject="A note\nBcc: all@example.com")

    process_due()

    assert (OutboxEmail.objects.get().status, mailoutbox) == ("failed", [])


def test_logs_name_the_row_and_nobody(make_note, caplog, monkeypatch):
    def fail(email):
        raise ValueError(f"cannot greet {email.recipient_email}")

    make_note()
    use_renderer(monkeypatch, fail)

    process_due()

    assert "ValueError" in caplog.text
    assert "lucia" not in caplog.text
    assert OutboxEmail.objects.get().error_message == "ValueError: cannot greet (recipient)"
