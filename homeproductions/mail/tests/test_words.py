"""The outbox in plain words."""

from datetime import timedelta

import pytest
from django.utils import timezone

from homeproductions.mail import words
from homeproductions.mail.models import OutboxEmail

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("said", "beginning"),
    [
        ("the mail server refused the recipient: 550 5.1.1 <(recipient)>: unknown", "There is no such mailbox"),
        ("the mail server refused the recipient: 550-5.1.10 no", "There is no such mailbox"),
        ("the mail server refused the recipient: 550 5.1.2 no host", "What stands behind the @"),
        ("the mail server refused the recipient: 552 5.2.2 over quota", "The guest's mailbox is full"),
        ("the mail server refused the recipient: 550 no such user 5.7.1", "The other side does not know this address"),
        ("the mail server refused the recipient: 452 4.2.2 later", "The guest's mailbox is full"),
        ("the mail server refused the recipient: 450 greylisted", "The other side could not take the mail just then"),
        ("the mail server answered 554 5.7.1 spam", "The other side takes our mail for spam"),
        ("the mail server answered 554 no", "The other side refused the mail"),
        ("the mail server answered 421 busy", "The mail server was busy"),
        ("the mail server answered 535 5.7.8 login", "The mail server wants another login"),
        ("the mail server answered 535 login", "The mail server wants another login"),
        ("the mail server answered 503 sequence", "The mail server refused the mail"),
        ("the mail server refused our login: 535 5.7.8 wrong", "The mail server refused our login"),
        ("the mail server refused our sender address: 553 5.1.8 no", "The mail server refused our sender"),
        (
            "no connection to the mail server: ConnectionRefusedError: [Errno 111]",
            "The mail server could not be reached",
        ),
        ("the mail server did not answer in time", "The mail server did not answer in time"),
        ("this is not an e-mail address", "This is no e-mail address"),
        ("the mail provider answered HTTP 401: {}", "The mail provider does not accept our key"),
        ("the mail provider answered HTTP 402: ", "The mail provider was not paid"),
        ("the mail provider answered HTTP 429: ", "The mail provider was busy"),
        ("the mail provider answered HTTP 503: ", "The mail provider was busy"),
        ("the mail provider answered HTTP 422: ", "The mail provider refused this mail"),
        ("gave up after 5 attempts: the mail server answered 421 busy", "The mail server was busy"),
        ("gave up after 5 attempts", "The worker vanished each time"),
        ("KeyError: 'subscriber'", "The mail could not be made"),
    ],
)
def test_answers_of_mail_servers_are_explained(said, beginning):
    assert words.explain(said).startswith(beginning)


def test_each_explanation_says_what_to_do():
    for table in (words.ENHANCED, words.BASIC, words.PROVIDER, words.BEGINNINGS):
        for _, text in table:
            assert text.endswith((words.OTHER_ADDRESS, words.OPERATOR, words.BY_ITSELF))


def test_mail_that_was_given_up_is_not_promised_another_try():
    said = "gave up after 5 attempts: the mail server answered 421 busy"
    failed = OutboxEmail(status="failed", error_message=said)
    waiting = OutboxEmail(status="pending", error_message="the mail server answered 421 busy")

    assert "by itself" in words.problem(waiting)
    assert words.problem(failed) == "The mail server was busy or going down. Retry it once that is mended."


def test_reason_why_nobody_wants_a_mail_is_shown_as_it_is():
    closed = OutboxEmail(status="failed", closed_at=timezone.now(), error_message="the order was paid")

    assert (words.problem(closed), words.problem(OutboxEmail(status="sent"))) == ("The order was paid", "")


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"status": "pending"}, "waiting"),
        ({"status": "pending", "next_attempt_at": timezone.now() - HOUR}, "stuck"),
        ({"status": "pending", "next_attempt_at": timezone.now() + HOUR}, "waiting"),
        ({"status": "processing", "lease_until": timezone.now() + HOUR}, "being sent"),
        ({"status": "processing", "lease_until": timezone.now() - HOUR}, "stuck"),
        ({"status": "sent"}, "sent"),
        ({"status": "failed"}, "failed"),
        ({"status": "failed", "closed_at": timezone.now()}, "not wanted"),
    ],
)
def test_state_is_one_word(fields, state):
    assert words.state(OutboxEmail(**fields)) == state


def test_kinds_have_names_even_when_only_another_app_knows_them():
    assert (words.kind("ticket"), words.kind("newsletter_confirmation")) == ("Ticket", "Newsletter confirmation")
