"""Guests who order and pay, as real clients do: whoever gets no good answer asks again, with the same key."""

import json
import secrets
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

import requests

from tests.processes import wait_until
from tests.signing import PATH as WEBHOOK
from tests.signing import signed_headers

from .house import PATIENCE, House

ORDERS = "/api/orders"
LONGEST_ANSWER = 45  # seconds; gunicorn ends a request before that
PAUSE = 0.15  # seconds, between two guests of one queue
AGAIN = 0.05  # seconds, until somebody asks again
# What each route may answer these guests. Whatever else comes is a fault.
CLEAN = {
    ORDERS: {(201, None), (400, "SOLD_OUT"), (503, "UNAVAILABLE")},
    WEBHOOK: {(200, None), (503, "UNAVAILABLE")},
}


class Evening:
    """Guests at the door of one or more web servers. What they were told is kept, to be compared with what is true."""

    def __init__(self, house: House, *addresses: str, repeats_its_key: bool = True, patience: float = PATIENCE) -> None:
        self.house, self.addresses, self.patience = house, list(addresses), patience
        self.repeats_its_key = repeats_its_key
        self.answers: Counter[tuple[str, int, str | None]] = Counter()
        self.unclean: list[str] = []
        self.broken = 0  # requests that got no answer at all
        self.ordered: defaultdict[str, set[str]] = defaultdict(set)  # the numbers that each guest was told
        self.paid: dict[str, str] = {}  # acknowledged payments: the order's number and the guest
        self.served = 0
        self._numbers = count(1)

    # --- Guests ---

    def guest(self) -> None:
        """Somebody orders; every second one pays. Notes it as a fault when somebody never gets an answer."""
        number = next(self._numbers)
        email = f"guest{number}@example.org"
        answer = self.until_answered(lambda session: self.order(session, email))
        if answer is not None and answer.status_code == 201:
            order = answer.json()["order"]
            self.ordered[email].add(order["orderNumber"])
            if number % 2:
                self.pay(order)
        self.served += 1

    def order(self, session: requests.Session, email: str) -> requests.Response | None:
        wish = {"eventId": self.house.event, "tierId": self.house.tier, "buyerName": "Ana", "buyerEmail": email}
        headers = {"Idempotency-Key": f"the key of {email}"} if self.repeats_its_key else {}
        return self.ask(session, ORDERS, json=wish, headers=headers)

    def pay(self, order: dict[str, Any]) -> None:
        """The provider tells, with the same event until it is acknowledged."""
        data = {
            "id": f"pay_{secrets.token_hex(8)}",
            "metadata": {"order_id": order["orderNumber"]},
            "amount_in_cents": round(order["totalPrice"] * 100),
            "currency": order["currency"],
        }
        body = json.dumps({"event": "checkout.completed", "data": data}).encode()
        headers = signed_headers(self.house.secret, body)
        if self.until_answered(lambda session: self.ask(session, WEBHOOK, data=body, headers=headers)):
            self.paid[order["orderNumber"]] = order["buyerEmail"]

    def until_answered(self, request: Callable[[requests.Session], requests.Response | None]) -> Any:
        """The first answer that is not "later", None if none came in time."""
        deadline = time.monotonic() + self.patience
        with requests.Session() as session:
            while time.monotonic() < deadline:
                answer = request(session)
                if answer is not None and answer.status_code < 500:
                    return answer
                time.sleep(AGAIN)
        self.unclean.append(f"no good answer within {self.patience:.0f} seconds")
        return None

    def ask(self, session: requests.Session, path: str, **options: Any) -> requests.Response | None:
        """One try at one of the servers. None when the line broke."""
        address = secrets.choice(self.addresses)
        try:
            answer = session.post(address + path, timeout=LONGEST_ANSWER, **options)
        except requests.Timeout:
            self.unclean.append(f"{path}: nothing for {LONGEST_ANSWER} seconds")
            return None
        except requests.RequestException:
            self.broken += 1
            return None
        self.note(path, answer)
        return answer

    def note(self, path: str, answer: requests.Response) -> None:
        said = answer.json() if answer.headers.get("Content-Type") == "application/json" else {}
        code = said.get("code")
        self.answers[path, answer.status_code, code] += 1
        is_envelope = said.get("success", said.get("received")) is (answer.status_code < 400)
        if (answer.status_code, code) not in CLEAN[path] or not is_envelope:
            self.unclean.append(f"{path}: {answer.status_code} {answer.text[:200]}")
        if answer.status_code == 503 and not answer.headers.get("Retry-After", "").isdigit():
            self.unclean.append(f"{path}: 503 without Retry-After")

    # --- Many of them ---

    @contextmanager
    def goes_on(self, queues: int = 4) -> Iterator[None]:
        """Guests come, one after the other in each of so many queues, for the length of the block."""
        is_over = threading.Event()

        def queue() -> None:
            while not is_over.wait(PAUSE):
                self.guest()

        with ThreadPoolExecutor(queues) as crowd:
            running = [crowd.submit(queue) for _ in range(queues)]
            try:
                yield
            finally:
                is_over.set()
        for each in running:
            each.result()

    def more(self, guests: int) -> None:
        """Wait until so many more have been served: the house works, whatever happened before."""
        goal = self.served + guests
        wait_until(lambda: self.served >= goal, f"{guests} more guests to be served", 2 * self.patience)

    def told(self, status: int) -> int:
        """How often guests were answered this."""
        return sum(times for (_, answered, _), times in self.answers.items() if answered == status)

    @property
    def numbers(self) -> Sequence[str]:
        """Of all orders that guests were told are theirs."""
        return [number for numbers in self.ordered.values() for number in numbers]
