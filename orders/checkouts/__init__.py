"""Payment pages at the providers, one module each: open one for an order, and ask what became of it.

Each module has NAME, `is_configured()`, `create(wish)` and `state_of(reference)`; the last two go over the network and
raise CheckoutFailed.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from threading import Thread
from typing import Any, Literal, TypeVar

import requests
from urllib3.exceptions import HTTPError

from homeproductions.addresses import is_web_address

T = TypeVar("T")

# Seconds until a connection must stand, until each piece of the answer must come, and until we have all of it.
TIMEOUT = (2, 4)
PATIENCE = 6
# Answers are a few thousand bytes.
ANSWER_MAX_BYTES = 256 * 1024
PIECE = 16 * 1024
REFERENCE_MAX_LENGTH = 255
SAID_MAX_LENGTH = 200
# A provider repeats its first answer to the same key, a failure too; after this many seconds a try is a new one.
SAME_TRY = 60
# What says something about the provider or our account with it, not about one order.
EVERYBODYS_TROUBLE = {401, 403, 408, 425, 429}

# "paid": the money was taken. "under way": a guest has paid in a way that takes its time. "open": somebody can still
# pay there. "gone": nobody can. "unknown": it did not say.
State = Literal["paid", "under way", "open", "gone", "unknown"]


@dataclass(frozen=True)
class Wish:
    """What an order wants to be paid. `amount_minor` is the total in cents; `back` is where the guest returns to,
    `paid_back` after paying; nobody should be able to pay after `expires_at` (None: no end)."""

    order_number: str
    title: str
    amount_minor: int
    currency: str
    email: str
    back: str
    paid_back: str
    expires_at: datetime | None = None

    @property
    def metadata(self) -> dict[str, str]:
        """What comes back in each notice about the payment, under the name that notices have always used."""
        return {"order_id": self.order_number, "order_number": self.order_number}


@dataclass(frozen=True)
class Checkout:
    """A payment page: its id at the provider and the address where the guest pays."""

    reference: str
    url: str


@dataclass(frozen=True)
class Standing:
    """What became of a payment page. `payment` is the provider's own id of the money where its notices may name that
    and not the page."""

    state: State
    payment: str = ""


class CheckoutFailed(Exception):
    """The provider was not reached in time, refused, or answered what nobody can use. `status` is its HTTP status,
    None without an answer. The text says which, and holds no secret."""

    def __init__(self, text: str, *, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status

    @property
    def is_everybodys(self) -> bool:
        """True when other orders would fail in the same way right now."""
        return self.status is None or self.status >= 500 or self.status in EVERYBODYS_TROUBLE


def call(method: str, url: str, *, headers: Mapping[str, str], **content: Any) -> dict[str, Any]:
    """The provider's answer, a JSON object, within PATIENCE seconds. Raises CheckoutFailed."""
    try:
        status, body = within(PATIENCE, lambda: _exchange(method, url, headers, content))
    except TimeoutError as error:
        raise CheckoutFailed("no answer in time") from error
    except (requests.RequestException, HTTPError) as error:
        raise CheckoutFailed(f"no answer: {type(error).__name__}") from error
    if status not in (200, 201):
        raise CheckoutFailed(f"refused: {body.decode(errors='replace')[:SAID_MAX_LENGTH]}", status=status)
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise CheckoutFailed("the answer is not JSON") from error
    if not isinstance(answer, dict):
        raise CheckoutFailed("the answer is not an object")
    return answer


def within(seconds: float, ask: Callable[[], T]) -> T:
    """What `ask` returns or raises, or TimeoutError; then its thread is left to itself.

    The timeouts of a connection begin anew with each byte, so a provider that drips them would keep us for ever, and
    looking up its name has none at all.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except Exception as error:
            answer.set_exception(error)

    Thread(target=run, daemon=True).start()
    return answer.result(seconds)


def _exchange(method: str, url: str, headers: Mapping[str, str], content: Mapping[str, Any]) -> tuple[int, bytes]:
    """Status and body of the answer; of an endless one the beginning."""

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(headers)
        return request

    # As `auth`, so that a .netrc on the machine cannot take the place of our key.
    options: dict[str, Any] = {"auth": sign, "allow_redirects": False, "stream": True, **content}
    ends = time.monotonic() + PATIENCE
    body = b""
    with requests.request(method, url, timeout=TIMEOUT, **options) as response:
        # No longer than somebody waits, so that a thread that was left to itself ends as well.
        while len(body) < ANSWER_MAX_BYTES and time.monotonic() < ends:
            piece = response.raw.read1(PIECE, decode_content=True)
            if not piece:
                break
            body += piece
    return response.status_code, body


def checkout_in(answer: Mapping[str, Any], *, url_key: str) -> Checkout:
    """The payment page in an answer. Raises CheckoutFailed if it holds none that a guest could be sent to."""
    reference, url = answer.get("id"), answer.get(url_key)
    if not isinstance(reference, str) or not 0 < len(reference) <= REFERENCE_MAX_LENGTH:
        raise CheckoutFailed("the answer holds no usable id")
    if not isinstance(url, str) or not is_web_address(url):
        raise CheckoutFailed("the answer holds no usable address")
    return Checkout(reference, url)


def try_key(content: Mapping[str, Any]) -> str:
    """The same for a request that is sent again within the minute, so that it opens no second payment page."""
    text = json.dumps([content, int(time.time() // SAME_TRY)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
