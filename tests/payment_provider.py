"""A stand-in for the payment providers on a local port. It speaks the parts of Recurrente's and Stripe's documented
APIs that open a payment page and tell what became of it, and remembers what it was sent."""

import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl

PUBLIC_KEY, SECRET_KEY, STRIPE_KEY = "pk_only_for_tests", "sk_only_for_tests", "sk_test_only_for_tests"
LONGEST_QUANTITY = 9
CURRENCIES = {"GTQ", "USD"}
DRIP_INTERVAL = 0.05


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    content: dict[str, Any]


@dataclass
class Provider:
    """`refuse` is a status to answer with instead, `answer` replaces the body, `delay` is in seconds, `drip` says from
    where on ("head" or "body") the answer comes in single bytes, without hurry; `watch` is called with each request.
    `states` holds what a checkout answers besides its id."""

    address: str = ""
    asked: list[Asked] = field(default_factory=list)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    refuse: int | None = None
    answer: Any = None
    delay: float = 0
    drip: str = ""
    watch: Callable[[Asked], None] = lambda asked: None

    def reply(self, asked: Asked) -> tuple[int, Any]:
        self.asked.append(asked)
        self.watch(asked)
        time.sleep(self.delay)
        if self.refuse:
            return self.refuse, {"error": "No."}
        if self.answer is not None:
            return 200, self.answer
        if asked.path.startswith("/recurrente/checkouts"):
            return self.recurrente(asked)
        return self.stripe(asked) if asked.path.startswith("/v1/checkout/sessions") else (404, {})

    def recurrente(self, asked: Asked) -> tuple[int, Any]:
        if (asked.headers.get("x-public-key"), asked.headers.get("x-secret-key")) != (PUBLIC_KEY, SECRET_KEY):
            return 401, {"error": "Unauthorized"}
        if asked.method == "GET":
            return self.known(asked, {"status": "unpaid", "payment": None})
        [item] = asked.content["items"]
        if item["quantity"] > LONGEST_QUANTITY or item["currency"] not in CURRENCIES:
            return 422, {"error": "items"}
        reference = self.opened("ch_")
        return 201, {"id": reference, "checkout_url": f"https://app.recurrente.com/checkout-session/{reference}"}

    def stripe(self, asked: Asked) -> tuple[int, Any]:
        if asked.headers.get("authorization") != f"Bearer {STRIPE_KEY}":
            return 401, {"error": {"message": "Invalid API Key provided"}}
        if asked.method == "GET":
            return self.known(asked, {"status": "open", "payment_status": "unpaid"})
        ends = int(asked.content.get("expires_at", time.time() + 86_000)) - time.time()
        if not 30 * 60 <= ends <= 24 * 60 * 60:
            return 400, {"error": {"message": "expires_at must be between 30 minutes and 24 hours from now"}}
        reference = self.opened("cs_test_")
        return 200, {"id": reference, "url": f"https://checkout.stripe.com/c/pay/{reference}#x", "status": "open"}

    def opened(self, prefix: str) -> str:
        reference = f"{prefix}{len(self.states) + 1}"
        self.states[reference] = {}
        return reference

    def known(self, asked: Asked, usual: dict[str, Any]) -> tuple[int, Any]:
        reference = asked.path.rpartition("/")[2]
        if reference not in self.states:
            return 404, {"error": "No such checkout"}
        return 200, {"id": reference, **usual, **self.states[reference]}


class Dripping(io.RawIOBase):
    """Writes what comes from `part` on one byte at a time: the head comes in one piece, then the body."""

    def __init__(self, file: Any, part: str) -> None:
        self.file, self.part = file, part

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        is_quick = self.part == "body" and data.startswith(b"HTTP/")
        for piece in [data] if is_quick else [bytes([byte]) for byte in data]:
            self.file.write(piece)
            time.sleep(0 if is_quick else DRIP_INTERVAL)
        return len(data)


@contextmanager
def running() -> Iterator[Provider]:
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            is_json = self.headers["Content-Type"].startswith("application/json")
            self.take(json.loads(body) if is_json else dict(parse_qsl(body, strict_parsing=True)))

        def do_GET(self) -> None:
            self.take({})

        def take(self, content: dict[str, Any]) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer = provider.reply(Asked(self.command, self.path, headers, content))
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            if provider.drip:
                self.wfile = Dripping(self.wfile, provider.drip)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{provider.address}/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (BrokenPipeError, ConnectionResetError):  # the caller lost patience
                self.close_connection = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.address = f"http://127.0.0.1:{server.server_address[1]}"
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield provider
        server.shutdown()
