"""Guessing: whatever can be guessed is limited for one address, however many addresses a caller makes up, and where
people sign in also for one account from any number of real addresses."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.test import Client

from accounts.models import User
from homeproductions import counting
from newsletter import links as newsletter_links
from newsletter.models import Subscriber
from orders import codes, links
from orders.models import Order
from tests.factories import bearer, make_order, make_user
from tests.signing import new_secret, signed_headers

pytestmark = [pytest.mark.django_db, pytest.mark.rate_limits]

LIMIT = 3
TRIES = 6
# A look-up that finds something is counted ahead and given back: while it counts, there is room for one less.
STOPPED = (LIMIT - 1, LIMIT)
PASSWORD = "correct horse battery"
BUCKETS = ("auth", "session", "order_misses", "bad_signatures", "newsletter", "anonymous", "orders", "pay", "staff")
Ask = Callable[..., Any]


@pytest.fixture(autouse=True)
def narrow(settings):
    """All limits alike, and a clock that stands still: no window ends in the middle."""
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, **dict.fromkeys(BUCKETS, (LIMIT, 900)), "account": (LIMIT, 900)}
    settings.METRICS_TOKEN = "m" * 40
    settings.PAYMENT_WEBHOOK_SECRETS = [new_secret()]
    with time_machine.travel(datetime.now(UTC), tick=False):
        yield


@dataclass(frozen=True)
class Guess:
    """`wrong(ask, n)` is the n-th guess; `right(ask)` would get in, and must not once there were too many guesses."""

    wrong: Callable[[Ask, int], Any]
    right: Callable[[Ask], Any] | None = None


def user() -> User:
    return User.objects.filter(email="ana@example.com").first() or User.objects.create_user(
        "ana@example.com", PASSWORD, name="Ana", role="superadmin"
    )


def order() -> Order:
    return Order.objects.first() or make_order(status="paid")


def reader() -> Subscriber:
    return Subscriber.objects.get_or_create(email="lucia@example.com")[0]


def as_json(ask: Ask, path: str, body: Any, **how: Any) -> Any:
    return ask("POST", path, json.dumps(body), content_type="application/json", **how)


def as_form(ask: Ask, path: str, text: str) -> Any:
    return ask("POST", path, text, content_type="application/x-www-form-urlencoded")


def login(ask: Ask, n: int, email: str = "") -> Any:
    return as_json(ask, "/api/auth/login", {"email": email or f"guest{n}@example.com", "password": f"guess {n}"})


def guessed_signature(ask: Ask, n: int) -> Any:
    body = b'{"n": %d}' % n
    headers = signed_headers(new_secret(), body)
    return ask("POST", "/api/webhook/payment", body, content_type="application/json", headers=headers)


GUESSES = {
    "password at the API": Guess(
        login, lambda ask: as_json(ask, "/api/auth/login", {"email": user().email, "password": PASSWORD})
    ),
    "password of the office": Guess(
        lambda ask, n: as_form(ask, "/admin/login/", f"username=guest{n}@example.com&password=guess{n}"),
        lambda ask: as_form(ask, "/admin/login/", "username=ana@example.com&password=correct%20horse%20battery"),
    ),
    "link to set a password": Guess(
        lambda ask, n: ask("GET", f"/admin/set-password/{user().pk}/abc-{n:032x}/"),
    ),
    "link to set a password, sent": Guess(
        lambda ask, n: as_form(ask, f"/admin/set-password/{user().pk}/abc-{n:032x}/", "new=x1y2z3w4v5&again=x1y2z3w4v5")
    ),
    "refresh token": Guess(lambda ask, n: as_json(ask, "/api/auth/refresh", {"refreshToken": f"guess{n}"})),
    "access token": Guess(
        lambda ask, n: ask("GET", "/api/admin/orders", headers={"Authorization": f"Bearer guess{n}"}),
    ),
    "order number": Guess(
        lambda ask, n: ask("GET", f"/api/orders/HP261123-{n:08d}"),
        lambda ask: ask("GET", f"/api/orders/{order().order_number}"),
    ),
    "address of a buyer": Guess(
        lambda ask, n: ask("GET", f"/api/orders/{order().order_number}?email=guess{n}@example.com"),
        lambda ask: ask("GET", f"/api/orders/HP000000-NOTHING0?email={order().buyer_email}"),
    ),
    "proof of an order": Guess(lambda ask, n: ask("GET", f"/api/orders/{order().order_number}?token=guess{n}")),
    "order page": Guess(
        lambda ask, n: ask("GET", f"/orders/{n:043d}/"),
    ),
    "picture of a ticket": Guess(lambda ask, n: ask("GET", f"/orders/{n:043d}/qr.png")),
    "link to confirm": Guess(lambda ask, n: ask("GET", f"/newsletter/confirm/abc.{n:043d}/")),
    "link to leave": Guess(lambda ask, n: ask("POST", f"/newsletter/unsubscribe/abc.{n:043d}/")),
    "who is on the list": Guess(
        lambda ask, n: as_json(ask, "/api/newsletter/unsubscribe", {"email": f"guess{n}@example.com"})
    ),
    "signature of a notice": Guess(guessed_signature),
    "token of the figures": Guess(
        lambda ask, n: ask("GET", "/metrics", headers={"Authorization": f"Bearer guess{n}"}),
    ),
}
# A link that works is never counted: many readers open theirs from one address.
UNGUESSABLE = {
    "order page": lambda ask: ask("GET", f"/orders/{links.token_of(order())}/"),
    "link to leave": lambda ask: ask("GET", newsletter_links.unsubscribe_url(reader().pk).partition("8080")[2]),
    "token of the figures": lambda ask: ask("GET", "/metrics", headers={"Authorization": "Bearer " + "m" * 40}),
    "access token": lambda ask: ask("GET", "/api/admin/orders", headers=bearer(user())),
}


@pytest.fixture(params=GUESSES, ids=str)
def guess(request):
    user(), order()
    return GUESSES[request.param]


def asking(forged: Callable[[int], dict[str, str]] = lambda n: {}, peer: Callable[[int], str] = lambda n: "127.0.0.1"):
    """Asks as a stranger does, with headers and addresses of their choice for each request."""
    count = iter(range(1000))

    def ask(method: str, path: str, body: Any = b"", *, headers: dict[str, str] | None = None, **how: Any) -> Any:
        n = next(count)
        client = Client(raise_request_exception=False)
        sent = {**(headers or {}), **forged(n)}
        return client.generic(method, path, body, headers=sent, REMOTE_ADDR=peer(n), **how)

    return ask


def forged(n: int) -> dict[str, str]:
    """Every header by which some server believes somebody."""
    names = ("X-Forwarded-For", "X-Real-IP", "Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP")
    return {**dict.fromkeys(names, f"203.0.113.{n}"), "Forwarded": f"for=203.0.113.{n}"}


def behind_a_proxy(n: int) -> dict[str, str]:
    """The proxy adds the address that it sees; what stands before it, the caller wrote."""
    return {"X-Forwarded-For": f"203.0.113.{n}, 10.0.0.{n}, 198.51.100.7"}


def limited_after(guess: Guess, ask: Ask, tries: int = TRIES) -> int:
    """How many guesses were looked at."""
    statuses = [guess.wrong(ask, n).status_code for n in range(tries)]
    looked_at = [status for status in statuses if status != 429]
    assert statuses == looked_at + [429] * (tries - len(looked_at)), statuses
    assert not {status for status in looked_at if status >= 500}
    return len(looked_at)


def test_one_address_guesses_a_few_times(guess):
    assert limited_after(guess, asking()) in STOPPED


def test_addresses_that_a_caller_makes_up_do_not_count(guess):
    assert limited_after(guess, asking(forged)) in STOPPED


def test_behind_our_proxy_neither(guess, settings):
    settings.TRUSTED_PROXIES = ["127.0.0.0/8", "10.0.0.0/8"]

    assert limited_after(guess, asking(behind_a_proxy)) in STOPPED


def test_one_network_of_a_phone_is_one_address(guess):
    assert limited_after(guess, asking(peer=lambda n: f"2001:db8:1:2::{n + 1:x}")) in STOPPED


def test_who_comes_around_the_proxy_is_not_believed(guess, settings):
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]

    assert limited_after(guess, asking(forged, peer=lambda n: "198.51.100.7")) in STOPPED


def test_refusal_says_so_and_when_to_come_back(guess):
    ask = asking()
    answers = [guess.wrong(ask, n) for n in range(LIMIT + 1)]

    last = answers[-1]
    assert (last.status_code, int(last["Retry-After"]) > 0) == (429, True)
    if last["Content-Type"] == "application/json":
        assert last.json()["code"] == "RATE_LIMITED"


@pytest.mark.parametrize("name", [name for name, guess in GUESSES.items() if guess.right])
def test_after_too_many_guesses_the_right_one_tells_nothing_either(name):
    user(), order()
    ask, guess = asking(), GUESSES[name]
    for n in range(LIMIT):
        guess.wrong(ask, n)

    assert guess.right(ask).status_code == 429


@pytest.mark.parametrize("name", UNGUESSABLE)
def test_who_has_the_right_link_is_not_stopped_by_neighbours_who_guess(name, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "staff": (1000, 900)}
    user(), order(), reader()
    ask = asking()
    for n in range(TRIES):
        GUESSES[name].wrong(ask, n)

    assert UNGUESSABLE[name](ask).status_code == 200


@pytest.mark.parametrize("path", ["/api/auth/login", "/admin/login/"])
def test_one_account_is_guessed_at_a_few_times_from_all_addresses_of_the_world(path):
    user()
    ask = asking(peer=lambda n: f"198.51.{n}.7")

    def sign_in(n):
        if path.startswith("/api"):
            return login(ask, n, "ana@example.com")
        return as_form(ask, path, f"username=ana@example.com&password=guess{n}")

    assert [sign_in(n).status_code for n in range(TRIES)].count(429) == TRIES - LIMIT


def test_own_password_is_guessed_at_a_few_times_with_a_stolen_token(settings):
    headers = bearer(user())
    body = {"currentPassword": "guess", "newPassword": "staple-lightning-7"}
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "session": (1000, 900)}
    ask = asking(peer=lambda n: f"198.51.{n}.7")

    answers = [as_json(ask, "/api/auth/change-password", body, headers=headers).status_code for _ in range(TRIES)]

    assert answers == [400] * LIMIT + [429] * (TRIES - LIMIT)


@pytest.mark.parametrize("path", ["/api/checkin", "/api/checkin/verify/{}"])
def test_ticket_codes_are_guessed_by_signed_in_staff_only_and_not_for_long(path):
    """32 hex digits are beyond guessing; a door that does nothing else is stopped all the same."""
    headers = bearer(make_user("staff"))
    ask = asking(peer=lambda n: f"198.51.{n}.7")

    def scan(n, headers=headers):
        if "{}" in path:
            return ask("GET", path.format(f"{n:032X}"), headers=headers)
        return as_json(ask, path, {"qr_code": f"{n:032X}"}, headers=headers)

    assert scan(0, {}).status_code == 401
    assert [scan(n).status_code for n in range(TRIES)] == [404] * LIMIT + [429] * (TRIES - LIMIT)
    assert len(codes.code_for(order().pk, 1)) == 32


# --- Controls ----------------------------------------------------------------------------------------------------


def test_control_server_that_believes_any_forwarded_address_is_noticed(monkeypatch):
    monkeypatch.setattr(counting, "client_address", lambda request: request.META.get("HTTP_X_FORWARDED_FOR"))

    assert limited_after(GUESSES["password at the API"], asking(forged)) == TRIES


def test_control_limits_that_are_off_are_noticed(guess, settings):
    settings.RATE_LIMIT_ENABLED = False

    assert limited_after(guess, asking()) == TRIES


def test_control_other_real_addresses_are_limited_for_themselves(guess, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "account": (1000, 900)}

    assert limited_after(guess, asking(peer=lambda n: f"198.51.{n}.7")) == TRIES
