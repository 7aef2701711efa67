"""What a real mail server answers, and what the outbox makes of it."""

import smtplib
import socket
import time
from contextlib import contextmanager, suppress
from threading import Thread

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from django.core.mail import get_connection

from homeproductions.mail.delivery import process_due
from homeproductions.mail.dialogue import Punctual, PunctualSSL
from homeproductions.mail.models import OutboxEmail

pytestmark = pytest.mark.django_db


class Handler:
    """Takes every mail unless told otherwise; `answers` maps a recipient to what RCPT TO is answered."""

    def __init__(self, answers=None, data_answer="250 OK"):
        self.answers, self.data_answer = answers or {}, data_answer
        self.recipients, self.connections = [], set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.connections.add(session.peer)
        self.recipients += envelope.rcpt_tos
        return self.data_answer


@pytest.fixture
def mail_server(settings):
    """Start a server on loopback and make it the place where mail goes."""
    settings.EMAIL_BACKEND = "homeproductions.mail.backends.Outgoing"
    settings.MAIL_TRANSPORT = "homeproductions.mail.backends.Smtp"
    settings.EMAIL_HOST, settings.EMAIL_USE_SSL, settings.EMAIL_USE_TLS = "127.0.0.1", False, False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""

    @contextmanager
    def start(handler, **options):
        controller = Controller(handler, hostname="127.0.0.1", port=free_port(), **options)
        settings.EMAIL_PORT = controller.port
        controller.start()
        try:
            yield handler
        finally:
            controller.stop()

    return start


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def outcome(recipient="lucia@example.com"):
    return OutboxEmail.objects.values_list("status", "attempts", "error_message").get(recipient_email=recipient)


def test_batch_goes_over_one_connection(make_note, mail_server):
    for _ in range(3):
        make_note()

    with mail_server(Handler()) as server:
        process_due()

    assert (len(server.recipients), len(server.connections)) == (3, 1)


def test_unknown_recipient_fails_at_once_and_stops_nobody_else(make_note, mail_server):
    make_note()
    make_note(recipient_email="next@example.com")

    with mail_server(Handler({"lucia@example.com": "550 no <lucia@example.com> here"})) as server:
        process_due()

    assert outcome() == ("failed", 1, "the mail server refused the recipient: 550 no <(recipient)> here")
    assert server.recipients == ["next@example.com"]


def test_busy_server_is_tried_again(make_note, mail_server):
    make_note()
    make_note(recipient_email="next@example.com")

    with mail_server(Handler({"lucia@example.com": "421 too busy"})) as server:
        process_due()

    assert outcome() == ("pending", 1, "the mail server refused the recipient: 421 too busy")
    assert server.recipients == ["next@example.com"]


@pytest.mark.parametrize(("answer", "status"), [("554 spam", "failed"), ("451 try later", "pending")])
def test_refused_content(make_note, mail_server, answer, status):
    make_note()

    with mail_server(Handler(data_answer=answer)):
        process_due()

    assert outcome() == (status, 1, f"the mail server answered {answer}")


def test_wrong_password_is_no_fault_of_the_mails(make_note, mail_server, settings):
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "hp", "wrong"
    make_note()
    make_note(recipient_email="next@example.com")

    with mail_server(
        Handler(),
        authenticator=lambda *args: AuthResult(success=False, handled=False),
        auth_require_tls=False,
    ):
        tally = process_due()

    status, attempts, error = outcome()
    assert (str(tally), status, attempts) == ("sent 0, to be retried 1, failed 0", "pending", 1)
    assert error.startswith("no connection to the mail server: the mail server refused our login: 535")
    assert outcome("next@example.com") == ("pending", 0, None)


def test_outage_costs_one_mail_an_attempt_and_not_all(make_note, mail_server, settings):
    for _ in range(12):
        make_note()
    with mail_server(Handler()):
        pass  # gone again

    tally = process_due()

    assert str(tally) == "sent 0, to be retried 1, failed 0"
    assert sorted(OutboxEmail.objects.values_list("status", "attempts")) == [("pending", 0)] * 11 + [("pending", 1)]


class Drip:
    """A server whose greeting comes letter by letter. Notes how many it could send until its caller had enough."""

    def __init__(self, letters):
        self.letters, self.sent = letters, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        line, _ = self.listener.accept()
        with line, suppress(OSError):
            while self.sent < self.letters:
                line.sendall(b"2")
                self.sent += 1
                time.sleep(0.1)

    def close(self):
        self.thread.join(60)
        self.listener.close()


@pytest.mark.parametrize(("client", "letters", "is_cut_off"), [(Punctual, 300, True), (smtplib.SMTP, 20, False)])
def test_answer_that_trickles_in_is_not_waited_for(client, letters, is_cut_off):
    server = Drip(letters)

    with pytest.raises(smtplib.SMTPException):
        client("127.0.0.1", server.port, timeout=0.5)
    server.close()

    assert (server.sent < server.letters) is is_cut_off


@pytest.mark.parametrize(("is_ssl", "client"), [(False, Punctual), (True, PunctualSSL)])
def test_mail_goes_by_the_punctual_client(settings, is_ssl, client):
    settings.EMAIL_USE_TLS, settings.EMAIL_USE_SSL = False, is_ssl

    assert get_connection("homeproductions.mail.backends.Smtp").connection_class is client
