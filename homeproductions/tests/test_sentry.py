"""What leaves for Sentry: stacks and lines of the log, nothing about anybody."""

import gzip
import json
import logging
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import brotli
import pytest
import requests
import structlog

from homeproductions import environment, sentry
from tests.factories import make_tier
from tests.processes import ROOT, web_server

sentry_sdk = pytest.importorskip("sentry_sdk", reason="an extra: it is in requirements-dev.txt")

GUEST = "Xiomara"
PHONE = "5987 1234"
DSN = "http://key@127.0.0.1:9/1"
UNPACK = {"gzip": gzip.decompress, "br": brotli.decompress, None: bytes}


@pytest.fixture
def sent():
    """What would have left, as it would have: a list of events."""
    events = []

    class Post(sentry_sdk.transport.Transport):
        def capture_envelope(self, envelope):
            events.extend(json.loads(item.payload.get_bytes()) for item in envelope.items)

    sentry.start(DSN, transport=Post)
    yield events
    sentry_sdk.get_client().close()
    sentry_sdk.init()  # without an address it does nothing


def fail(name, phone):
    whom = f"{name} {phone}"
    raise ValueError(whom)


def test_error_leaves_with_its_stack_and_without_values(sent):
    try:
        fail(GUEST, PHONE)
    except ValueError:
        logging.getLogger("homeproductions.api").exception("unexpected error of lucia@example.com in %s", "a view")

    [event] = sent
    [link] = event["exception"]["values"]
    assert (link["type"], link["value"], event["message"]) == ("ValueError", "", "unexpected error of *** in a view")
    assert [frame["function"] for frame in link["stacktrace"]["frames"]][-1] == "fail"
    assert event["release"] == "homeproductions@4.0.0"
    assert GUEST not in json.dumps(event)
    assert PHONE not in json.dumps(event)
    assert not {"request", "user", "breadcrumbs", "contexts", "server_name", "modules"} & set(event)
    assert "vars" not in json.dumps(event)


def test_line_of_structlog_leaves_as_the_log_has_it(sent):
    structlog.get_logger("homeproductions.chores").error(
        "chore failed", chore="expire holds", about="lucia@example.com"
    )

    [event] = sent
    assert event["message"] == "chore failed"
    assert (event["extra"]["chore"], event["extra"]["about"]) == ("expire holds", "***")


def test_warnings_and_requests_do_not_leave(sent):
    logging.getLogger("homeproductions.api").warning("only a warning")
    sentry_sdk.add_breadcrumb(message=GUEST)
    sentry_sdk.set_user({"email": "lucia@example.com"})
    logging.getLogger("homeproductions.api").error("an error")

    [event] = sent
    assert event["message"] == "an error"
    assert not {"user", "breadcrumbs"} & set(event)


def test_package_by_itself_would_say_more():
    """So this is what `only_what_is_named` is there for."""
    events = []
    sentry_sdk.init(DSN, before_send=lambda event, hint: events.append(event), include_local_variables=True)
    try:
        fail(GUEST, PHONE)
    except ValueError:
        logging.getLogger("homeproductions.api").exception("unexpected")
    sentry_sdk.init()

    assert GUEST in json.dumps(events, default=str)


@pytest.mark.parametrize("value", ["nonsense", "ftp://key@host/1"])
def test_address_that_cannot_be_meant_stops_the_process(value):
    assert environment.find_faults({"SENTRY_DSN": value})[0].startswith("SENTRY_DSN must begin with")


def test_missing_package_stops_the_process_and_says_how_to_get_it():
    hide = "import sys; sys.modules['sentry_sdk'] = None; import importlib.util as u; real = u.find_spec; "
    hide += "u.find_spec = lambda name, *rest: None if name == 'sentry_sdk' else real(name, *rest); "
    load = "from homeproductions import environment; environment.load({'DATABASE_URL': 'postgresql:///x', "
    load += f"'JWT_SECRET': 'a' * 32, 'JWT_REFRESH_SECRET': 'b' * 32, 'SENTRY_DSN': {DSN!r}}})"

    with_it = subprocess.run([sys.executable, "-c", load], cwd=ROOT, capture_output=True, text=True, check=False)
    without = subprocess.run([sys.executable, "-c", hide + load], cwd=ROOT, capture_output=True, text=True, check=False)

    assert with_it.returncode == 0, with_it.stderr
    assert without.returncode != 0
    assert "SENTRY_DSN needs sentry-sdk: pip install --require-hashes -r requirements-sentry.txt" in without.stderr
    assert (ROOT / "requirements-sentry.txt").is_file()


@pytest.mark.django_db(transaction=True)
def test_web_server_sends_from_its_workers(tmp_path):
    """Started before the fork, it must still send after it."""
    bodies = []
    arrived = threading.Event()

    class Desk(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bodies.append(UNPACK[self.headers.get("Content-Encoding")](body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            arrived.set()

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Desk)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tier = make_tier()
    dsn = f"http://key@127.0.0.1:{server.server_port}/1"
    with (tmp_path / "log").open("wb") as log, web_server("tests.failing_wsgi", log=log, SENTRY_DSN=dsn) as address:
        body = {
            "eventId": str(tier.event_id),
            "tierId": str(tier.pk),
            "buyerName": GUEST,
            "buyerEmail": "xiomara@example.com",
            "buyerPhone": PHONE,
            "buyerCountry": "value error",
            "quantity": 1,
        }
        answer = requests.post(f"{address}/api/orders?who={GUEST}", json=body, timeout=30)
        assert arrived.wait(20)
    server.shutdown()

    text = b"\n".join(bodies).decode()
    assert (answer.status_code, "ValueError" in text, "failing_wsgi" in text) == (500, True, True)
    assert answer.headers["X-Request-ID"] in text
    assert not re.search(rf"{GUEST}|{PHONE}", text, re.IGNORECASE)
