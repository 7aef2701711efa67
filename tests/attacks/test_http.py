"""Attacks on the protocol itself, on real connections to the real web server: what two readers could take for different
requests is refused, what is too long is refused, and a slow client is let go in the end."""

import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import Event
from urllib.parse import urlsplit

import pytest
import requests

from orders.models import WebhookDelivery
from tests.lengths import length
from tests.processes import web_server
from tests.signing import new_secret

pytestmark = [pytest.mark.django_db(transaction=True)]

PATIENCE = 30
SECOND = b"GET /api/smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


@pytest.fixture
def server(transactional_db) -> Iterator[str]:
    with web_server(workers=1, RATE_LIMIT_ENABLED="0", PAYMENT_WEBHOOK_SECRETS=new_secret()) as address:
        yield address


class Wire:
    """One connection, on which anything may be written."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE)

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError:  # refused and closed already
            return

    def everything(self) -> bytes:
        """All that comes until the server closes, or says nothing more for a while."""
        found = b""
        self.socket.settimeout(PATIENCE)
        try:
            while piece := self.socket.recv(65536):
                found += piece
                self.socket.settimeout(1)
        except OSError:
            return found
        return found


def said(address: str, data: bytes) -> bytes:
    with Wire(address) as wire:
        wire.send(data)
        return wire.everything()


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in STATUS.findall(answer)]


def request(*headers: str, method: str = "POST", target: str = "/api/orders", body: bytes = b"") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


LENGTH = f"Content-Length: {len(SECOND)}"
# What one reader may take for the end of a request and another for its middle.
AMBIGUOUS = {
    "two lengths": request("Content-Length: 0", LENGTH, body=SECOND),
    "two equal lengths": request(LENGTH, LENGTH, body=SECOND),
    "lengths in a list": request(f"Content-Length: 0, {len(SECOND)}", body=SECOND),
    "length and chunks": request(LENGTH, "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SECOND),
    "chunks and length": request("Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n" + SECOND),
    "two encodings": request("Transfer-Encoding: chunked", "Transfer-Encoding: identity", LENGTH, body=SECOND),
    "chunked in disguise": request("Transfer-Encoding: xchunked", LENGTH, body=SECOND),
    "chunked behind a tab": request("Transfer-Encoding:\tchunked\x0b", LENGTH, body=SECOND),
    "encoding with a blank": request("Transfer-Encoding : chunked", LENGTH, body=SECOND),
    "length with a sign": request("Content-Length: +0", body=SECOND),
    "negative length": request("Content-Length: -1", body=SECOND),
    "length in hexadecimal": request("Content-Length: 0x0", body=SECOND),
    "length that is none": request("Content-Length: none", body=SECOND),
    "length with an underscore": request("Content-Length: 1_0", body=SECOND),
    "bare line feed": request(LENGTH, body=SECOND).replace(b"\r\n", b"\n", 4),
    "line feed in a header": request("X-A: a\nContent-Length: 0", LENGTH, body=SECOND),
    "carriage return in a header": request("X-A: a\rContent-Length: 0", LENGTH, body=SECOND),
    "NUL in a header": request("X-A: a\x00b", LENGTH, body=SECOND),
    "blank before the colon": request("Content-Length : 0", LENGTH, body=SECOND),
    "header without a name": request(": a", LENGTH, body=SECOND),
    "chunk of another size": request("Transfer-Encoding: chunked", body=b"5\r\na\r\n0\r\n\r\n" + SECOND),
    "chunk of no size": request("Transfer-Encoding: chunked", body=b"zz\r\n\r\n0\r\n\r\n" + SECOND),
    "chunk of an immense size": request("Transfer-Encoding: chunked", body=b"f" * 30 + b"\r\na\r\n" + SECOND),
}
TOO_LONG = {
    "address": request(method="GET", target="/api/" + "a" * 5000),
    "query": request(method="GET", target="/api/events?" + "a" * 5000),
    "header": request("X-A: " + "a" * 9000, method="GET"),
    "name of a header": request("X-" + "a" * 9000 + ": a", method="GET"),
    "cookie": request("Cookie: a=" + "b" * 9000, method="GET"),
    "many headers": request(*(f"X-{number}: a" for number in range(100)), method="GET"),
}
NO_HTTP = {
    "no version": b"GET /api/events\r\n\r\n",
    "version 9": b"GET /api/events HTTP/9.9\r\n\r\n",
    "binary": bytes(range(256)) + b"\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500 + b"\r\n\r\n",
    "method with a blank": b"GE T /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "address with a line feed": b"GET /api/ev\nents HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "no address": b"GET  HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
}


def assert_refused_in_json(answer: bytes) -> None:
    """One answer, a refusal, in the envelope, and nothing of what was sent in it."""
    assert statuses(answer)[0] in range(400, 500), answer[:300]
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/json" in head, answer[:300]
    content = json.loads(body[: int(re.search(rb"(?i)content-length: (\d+)", head)[1])])
    assert (content["success"], set(content)) == (False, {"success", "error", "code"})
    assert b"aaaa" not in body


def test_no_second_request_hides_in_a_first_one(server):
    """Whatever the server makes of it: once it has refused, it reads nothing more of that connection; and what it takes
    as a body is a body."""
    for name, data in AMBIGUOUS.items():
        found = answers(server, data)
        assert found, name
        assert SMUGGLED not in found, (name, found)
        assert found[0] in range(400, 500), (name, found)
    # Two that are meant as two are answered as two.
    two = request("Content-Length: 2", "Content-Type: application/json", body=b"{}") + SECOND
    assert answers(server, two) == [400, SMUGGLED, 200]


SMUGGLED = 404  # of an address that is not there
THIRD = request(method="GET", target="/health")


def answers(address: str, data: bytes) -> list[int]:
    """To what was sent, and to one more request on the same connection: a server may look at what it has left over only
    when more arrives."""
    with Wire(address) as wire:
        wire.send(data)
        first = wire.everything()
        wire.send(THIRD)
        return statuses(first + wire.everything())


@pytest.mark.parametrize("attacks", [TOO_LONG, NO_HTTP], ids=["too long", "no HTTP"])
def test_what_cannot_be_read_is_refused_in_json(server, attacks):
    for data in attacks.values():
        assert_refused_in_json(said(server, data))
    assert requests.get(f"{server}/health", timeout=PATIENCE).ok


@pytest.mark.parametrize(
    ("path", "megabytes", "status"),
    [
        ("/api/orders", 11, 413),
        ("/api/webhook/payment", 1, 413),
        ("/api/auth/login", 11, 413),
        ("/admin/login/", 11, 403),
    ],
)
def test_body_that_is_too_large_is_refused(server, path, megabytes, status):
    body = b"x" * (megabytes << 20)
    head = request(
        f"Content-Length: {len(body)}", "Content-Type: application/json", "Svix-Signature: v1,a", target=path
    )

    answer = said(server, head + body)

    assert statuses(answer)[:1] == [status], answer[:200]
    assert requests.get(f"{server}/health", timeout=PATIENCE).ok


def test_body_that_breaks_off_is_no_request(server):
    for path in ("/api/orders", "/api/webhook/payment", "/api/newsletter/subscribe"):
        with Wire(server) as wire:
            wire.send(request("Content-Length: 1000", "Content-Type: application/json", target=path, body=b'{"a":'))
            wire.socket.shutdown(socket.SHUT_WR)
            assert (statuses(wire.everything()) or [400])[0] in range(400, 500)
    assert not WebhookDelivery.objects.exists()


def test_body_that_breaks_off_where_it_could_end_is_no_request(server):
    whole, head = b'{"email": "ana@example.com"}', ("Content-Type: application/json",)
    answered = []
    for told in (len(whole), len(whole) + 1):
        with Wire(server) as wire:
            wire.send(request(f"Content-Length: {told}", *head, target="/api/newsletter/subscribe", body=whole))
            wire.socket.shutdown(socket.SHUT_WR)
            answered += statuses(wire.everything())
    assert answered == [201, 400]
    assert requests.get(f"{server}/health", timeout=PATIENCE).ok


# Files outside of the folder, and one that no folder can hold.
OUTSIDE = {
    "encoded": (400, request(method="GET", target="/media/..%2f..%2fetc/passwd")),
    "plain": (400, request(method="GET", target="/media/../../etc/passwd")),
    "too long": (404, request(method="GET", target="/media/" + "a" * 300)),
}
FIELDS = b"&".join(b"a%d=1" % number for number in range(1100))
TOO_MANY = request(
    f"Content-Length: {len(FIELDS)}",
    "Content-Type: application/x-www-form-urlencoded",
    "Cookie: csrftoken=" + "a" * 32,
    target="/admin/login/",
    body=FIELDS,
)


def test_what_clients_do_wrong_is_no_error_of_ours(transactional_db, tmp_path):
    """Somebody is woken by each line of that level."""
    with (tmp_path / "log").open("wb") as log:
        variables = {"MEDIA_ROOT": str(tmp_path), "LOG_LEVEL": "info", "RATE_LIMIT_ENABLED": "0"}
        with web_server(workers=1, log=log, **variables) as server:
            for status, data in OUTSIDE.values():
                answer = said(server, data)
                assert_refused_in_json(answer)
                assert statuses(answer) == [status]
            attacks = [*AMBIGUOUS.values(), *TOO_LONG.values(), *NO_HTTP.values(), TOO_MANY]
            with ThreadPoolExecutor(8) as threads:
                answers = list(threads.map(lambda data: said(server, data), attacks))
            assert {statuses(answer)[0] // 100 for answer in answers} == {4}

    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    said_as = {line["event"]: line["level"] for line in lines if line["level"] != "info"}
    assert [line for line in lines if line["level"] in ("error", "critical") or "exception" in line] == []
    assert said_as["a request was refused: SuspiciousFileOperation"] == "warning"
    assert said_as["a request was refused: TooManyFieldsSent"] == "warning"
    assert said_as["the chunks of a request's body cannot be read: InvalidChunkSize"] == "warning"
    assert not [event for event in said_as if "passwd" in event or str(tmp_path) in event]


NEVER_DONE = {
    "a byte": b"G",
    "half a line": b"GET /api/ev",
    "half a head": b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    "half a body": request("Content-Length: 1000", "Content-Type: application/json", body=b'{"a":'),
    "a line without an end": b"GET /" + b"a" * 200_000,
    "headers without an end": b"GET / HTTP/1.1\r\n" + b"X-A: a\r\n" * 20_000,
}


@pytest.fixture
def impatient(transactional_db):
    """`impatient(seconds)` is a server that waits so long for its clients."""

    def start(seconds: int, request: int = 120):
        variables = {"RATE_LIMIT_ENABLED": "0", "IMPATIENT_SECONDS": str(seconds), "WHOLE_SECONDS": str(request)}
        return web_server("tests.impatient_wsgi", workers=1, **variables)

    return start


def test_clients_that_never_finish_hold_the_server_for_seconds_only(impatient):
    """More of them than there are threads, each with the beginning of a request."""
    with impatient(1) as server, held(server) as wires:
        deadline = time.monotonic() + 4 * PATIENCE
        while not served(server):
            assert time.monotonic() < deadline, "slow clients hold the server"
        assert all(ended(wire) for wire in wires)


def test_control_server_that_waits_for_ever_is_held(impatient):
    with impatient(300) as server, held(server) as wires:
        assert not served(server)
        for wire in wires:
            wire.socket.close()


@pytest.mark.parametrize(("seconds", "is_held"), [(2, False), (300, True)])
def test_clients_that_send_a_byte_now_and_then_are_let_go(impatient, seconds, is_held):
    """The second one is the control: a server with much more patience for a whole request."""
    with impatient(30, request=seconds) as server, trickling(server):
        deadline = time.monotonic() + (10 if is_held else 4 * PATIENCE)
        while not (free := served(server)) and time.monotonic() < deadline:
            pass
    assert free is not is_held


@contextmanager
def trickling(address: str) -> Iterator[None]:
    wires, over = [Wire(address) for _ in range(8)], Event()

    def trickle() -> None:
        for wire in wires:
            wire.send(NEVER_DONE["half a head"] + b"X-A: ")
        while not over.wait(0.2):
            for wire in wires:
                wire.send(b"a")

    with ThreadPoolExecutor(1) as threads:
        threads.submit(trickle)
        time.sleep(1)  # the threads of the server are taken
        yield
        over.set()
    for wire in wires:
        wire.socket.close()


@contextmanager
def held(address: str) -> Iterator[list["Wire"]]:
    wires = []
    for data in list(NEVER_DONE.values()) * length(1, 5):
        wires.append(Wire(address))
        wires[-1].send(data)
    yield wires
    for wire in wires:
        wire.socket.close()


def ended(wire: Wire) -> bool:
    """Whether the server let go of a client that did nothing more."""
    wire.socket.settimeout(3 * PATIENCE)
    try:
        while wire.socket.recv(65536):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def served(address: str) -> bool:
    try:
        return requests.get(f"{address}/health", timeout=5).ok
    except requests.RequestException:
        return False


def test_many_connections_that_say_nothing_change_nothing(server):
    with ThreadPoolExecutor(8) as threads:
        wires = list(threads.map(lambda _: Wire(server), range(length(100, 400))))
    for wire in wires:
        wire.socket.close()

    assert requests.get(f"{server}/health", timeout=PATIENCE).ok


# --- Controls ------------------------------------------------------------------------------------------------------


def test_control_server_that_reads_both_as_requests_is_noticed():
    """A reader that believes the first of two lengths answers the smuggled request as well."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener, ThreadPoolExecutor(1) as threads:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        threads.submit(naive, listener)
        assert len(answers(address, AMBIGUOUS["two lengths"])) == 2


def naive(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        for _ in re.findall(rb"HTTP/1.1\r\n", connection.recv(65536)):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def test_control_answer_in_html_is_noticed():
    html = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"

    with pytest.raises(AssertionError):
        assert_refused_in_json(html)
