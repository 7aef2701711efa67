"""Whether mail could leave is found out without sending any."""

import json
import smtplib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from ssl import SSLError

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from homeproductions.mail import trial
from tests.processes import free_port

LOGIN, PASSWORD = b"hp", b"right"


class Inbox:
    """Takes no mail: a single one would fail the test."""

    def __init__(self):
        self.mails = []

    async def handle_DATA(self, server, session, envelope):
        self.mails.append(envelope)
        return "250 OK"


def is_known(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (LOGIN, PASSWORD), handled=False)


@pytest.fixture
def smtp(settings):
    settings.MAIL_TRANSPORT, settings.EMAIL_PROVIDER = "homeproductions.mail.backends.Smtp", ""
    settings.EMAIL_USE_SSL = settings.EMAIL_USE_TLS = False
    inbox = Inbox()
    server = Controller(
        inbox,
        hostname="127.0.0.1",
        port=free_port(),
        authenticator=is_known,
        auth_require_tls=False,
    )
    server.start()
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = LOGIN.decode(), PASSWORD.decode()
    yield inbox
    server.stop()


def test_mail_server_takes_the_login_and_gets_no_mail(smtp):
    assert trial.sign_in() == "The mail server 127.0.0.1 answers and takes our login."
    assert smtp.mails == []


def test_wrong_password(smtp, settings):
    settings.EMAIL_HOST_PASSWORD = "wrong"

    with pytest.raises(smtplib.SMTPAuthenticationError):
        trial.sign_in()


def test_nobody_there(smtp, settings):
    settings.EMAIL_PORT = free_port()

    with pytest.raises(ConnectionRefusedError):
        trial.sign_in()


def test_server_without_the_encryption_that_is_asked_for(smtp, settings):
    settings.EMAIL_USE_SSL = True
    with pytest.raises(SSLError):
        trial.sign_in()

    settings.EMAIL_USE_SSL, settings.EMAIL_USE_TLS = False, True
    with pytest.raises(smtplib.SMTPNotSupportedError):
        trial.sign_in()


class Provider(HTTPServer):
    """Stands in for a mail provider's API; `answer` is what it says to whoever shows another key than "right"."""

    asked: tuple = ()
    answer = (401, {"name": "invalid"})


class Desk(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self):
        keys = [self.headers.get(name, "") for name in ("Authorization", "api-key", "X-Postmark-Server-Token")]
        self.server.asked = (self.command, self.path, *filter(None, keys))
        status, body = (200, {}) if self.server.asked[-1].removeprefix("Bearer ") == "right" else self.server.answer
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def provider(settings):
    with Provider(("127.0.0.1", 0), Desk) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def choose(name, key):
            settings.EMAIL_PROVIDER, settings.MAIL_TRANSPORT = name, f"anymail.backends.{name}.EmailBackend"
            words = ("API_KEY", "API_TOKEN", "SERVER_TOKEN")
            settings.ANYMAIL = {f"{name.upper()}_{word}": key for word in words} | {
                f"{name.upper()}_API_URL": f"http://127.0.0.1:{server.server_port}/"
            }
            return server

        yield choose
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("resend", ("GET", "/domains", "Bearer right")),
        ("brevo", ("GET", "/account", "right")),
        ("postmark", ("GET", "/server", "right")),
    ],
)
def test_provider_takes_the_key(provider, name, asked):
    server = provider(name, "right")

    assert trial.sign_in() == f"{name} takes our key."
    assert server.asked == asked


def test_key_that_may_only_send_is_a_good_key(provider):
    provider("resend", "sends").answer = (401, {"name": "restricted_api_key"})

    assert trial.sign_in() == "resend takes our key."


@pytest.mark.parametrize(
    ("answer", "text"),
    [((401, {}), "does not take our key"), ((403, {}), "does not take our key"), ((500, {}), "answers HTTP 500")],
)
def test_provider_that_refuses(provider, answer, text):
    provider("brevo", "wrong").answer = answer

    with pytest.raises(trial.Refused, match=text) as refusal:
        trial.sign_in()
    assert "wrong" not in str(refusal.value)


def test_provider_that_cannot_be_asked(provider):
    provider("sparkpost", "right")

    with pytest.raises(trial.CannotTry, match="sparkpost"):
        trial.sign_in()
