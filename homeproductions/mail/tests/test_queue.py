"""Promising mail, hurrying it, and taking the promise back."""

from datetime import timedelta
from threading import Thread

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from homeproductions.mail.models import OutboxEmail
from homeproductions.mail.services import close_open, queue
from homeproductions.mail.turns import claim
from tests.factories import make_order

NOTE = {"recipient": "lucia@example.com", "subject": "A note"}
LATER = timedelta(hours=1)


@pytest.mark.django_db
def test_queued_mail_waits_and_is_due_now():
    email = queue("note", **NOTE, context={"choice": 1})

    stored = OutboxEmail.objects.get(pk=email.pk)
    assert (stored.status, stored.attempts, stored.context) == ("pending", 0, {"choice": 1})
    assert stored.next_attempt_at <= timezone.now()


@pytest.mark.django_db
def test_queued_mail_goes_away_with_the_change_that_caused_it():
    with transaction.atomic():
        queue("note", **NOTE)
        transaction.set_rollback(True)

    assert OutboxEmail.objects.count() == 0


@pytest.mark.django_db
def test_subject_cannot_forge_headers_and_always_fits():
    email = queue("note", recipient="lucia@example.com", subject="A\r\nBcc: all@example.com " + "x" * 600)

    assert email.subject == ("A Bcc: all@example.com " + "x" * 600)[:500]


@pytest.mark.django_db
def test_queueing_again_makes_the_waiting_mail_due_at_once():
    order = make_order()
    first = queue("ticket", order=order, **NOTE)
    OutboxEmail.objects.update(attempts=4, next_attempt_at=timezone.now() + LATER, error_message="421")

    second = queue("ticket", order=order, recipient="new@example.com", subject="A note")

    assert [email.pk for email in OutboxEmail.objects.all()] == [first.pk] == [second.pk]
    assert (second.attempts, second.recipient_email, second.error_message) == (0, "new@example.com", None)
    assert second.next_attempt_at <= timezone.now()


@pytest.mark.django_db
def test_queueing_again_leaves_a_mail_alone_that_is_being_sent():
    order = make_order()
    queue("ticket", order=order, **NOTE)
    (held,) = claim()

    second = queue("ticket", order=order, **NOTE)

    assert (second.pk, second.status, second.attempts) == (held.pk, "processing", 1)


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["sent", "failed"])
def test_queueing_again_after_the_end_is_a_new_mail(status):
    order = make_order()
    queue("ticket", order=order, **NOTE)
    OutboxEmail.objects.update(status=status)

    queue("ticket", order=order, **NOTE)

    assert sorted(email.status for email in OutboxEmail.objects.all()) == sorted([status, "pending"])


@pytest.mark.django_db(transaction=True)
def test_two_who_queue_at_once_share_one_mail():
    order, found = make_order(), []

    def queue_late():
        found.append(queue("ticket", order=order, **NOTE).pk)
        connection.close()

    other = Thread(target=queue_late)
    with transaction.atomic():
        mine = queue("ticket", order=order, **NOTE)
        other.start()
        other.join(0.3)
        assert found == []  # it waits for our commit
    other.join()

    assert found == [mine.pk]


@pytest.mark.django_db
def test_closing_ends_every_open_mail_of_the_order_and_no_other():
    order = make_order()
    for kind, status in [("ticket", "pending"), ("reminder", "processing"), ("confirmation", "sent")]:
        OutboxEmail.objects.create(order=order, email_type=kind, status=status)
    OutboxEmail.objects.create(order=make_order(), email_type="other")

    closed = close_open(order, reason="the order was refunded")

    statuses = dict(OutboxEmail.objects.values_list("email_type", "status"))
    assert closed == 2
    assert statuses == {"ticket": "failed", "reminder": "failed", "confirmation": "sent", "other": "pending"}
    assert OutboxEmail.objects.get(email_type="ticket").error_message == "the order was refunded"
    marked = OutboxEmail.objects.exclude(closed_at=None).values_list("email_type", flat=True)
    assert set(marked) == {"ticket", "reminder"}


@pytest.mark.django_db
def test_closing_may_be_limited_to_some_kinds():
    order = make_order()
    queue("ticket", order=order, **NOTE)
    queue("reminder", order=order, **NOTE)

    close_open(order, kinds=["reminder"], reason="moved")

    assert dict(OutboxEmail.objects.values_list("email_type", "status")) == {"ticket": "pending", "reminder": "failed"}


@pytest.mark.django_db
def test_closed_mail_can_be_nothing_but_failed():
    with pytest.raises(IntegrityError, match="email_closed_only_as_failed"):
        OutboxEmail.objects.create(email_type="note", status="sent", closed_at=timezone.now())
