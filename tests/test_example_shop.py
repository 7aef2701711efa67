"""docs/example-shop in a real browser: served from an origin of its own, it sells a ticket of the real server."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from events.models import TicketTier
from orders.models import Order
from orders.services import payments
from tests.browser import PHONE, Visitor, browsing
from tests.factories import make_event, make_tier
from tests.outside import program
from tests.processes import ROOT, free_port, web_server

SHOP = ROOT / "docs" / "example-shop"
API = "http://127.0.0.1:8080"  # what the shop is shipped with
pytestmark = pytest.mark.django_db(transaction=True)
expect.set_options(timeout=30_000)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(SHOP, tmp_path_factory.mktemp("shop") / "shop"))


@pytest.fixture(scope="module")
def origin(folder: Path) -> Iterator[str]:
    """The shop's own web server."""
    server = ThreadingHTTPServer(("127.0.0.1", free_port()), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def office(origin: str, django_db_setup: None) -> Iterator[str]:
    """The address of the ticketing server, which knows the shop."""
    with web_server("tests.shared_wsgi", workers=1, CORS_ORIGIN=origin) as address:
        yield address


@pytest.fixture
def visitor(transactional_db: None, folder: Path, office: str) -> Iterator[Visitor]:
    with shopping(folder, office) as somebody:
        yield somebody


@contextmanager
def shopping(folder: Path, address: str) -> Iterator[Visitor]:
    """A guest whose shop knows where the server is, as its operator would have told it."""
    shipped = (SHOP / "config.js").read_text()
    assert API in shipped
    (folder / "config.js").write_text(shipped.replace(API, address))
    with browsing(address) as visitor:
        visitor.page.set_viewport_size(PHONE)
        yield visitor


def fill(page: Page, tier: TicketTier, quantity: int = 2) -> None:
    """Everything up to the last button."""
    page.get_by_role("button", name=f"Choose {tier.name} for {tier.event.name}").click()
    page.get_by_role("combobox", name="Tickets").select_option(str(quantity))
    page.get_by_role("textbox", name="Your name").fill("Ana <b>Shop</b>")
    page.get_by_role("textbox", name="E-mail").fill("ana@example.com")


def order(page: Page, tier: TicketTier) -> None:
    fill(page, tier)
    page.get_by_role("button", name="Order", exact=True).click()


def test_shop_sells_a_ticket_until_the_guests_page_shows_it(visitor, origin):
    tier = make_tier(make_event(name="<img src=x onerror=alert(1)>"), price="25.50", quantity=12)
    page = visitor.page
    page.goto(origin)
    expect(page.get_by_text("12 left")).to_be_visible()
    assert visitor.barriers() == []
    fill(page, tier)
    expect(page.locator("#total")).to_have_text("$51.00")
    assert visitor.barriers() == []
    page.get_by_role("button", name="Order", exact=True).click()
    expect(page.get_by_role("heading", name="Your seats are held")).to_be_visible()
    assert 50 <= int(page.get_by_role("timer").inner_text().split(":")[0]) <= 60
    assert visitor.barriers() == []

    sold = Order.objects.get()
    assert (sold.quantity, sold.buyer_name, sold.status) == (2, "Ana <b>Shop</b>", "pending")
    page.reload()
    expect(page.locator("#number")).to_have_text(sold.order_number)
    payments.mark_paid(sold, provider="test", reference="1")
    page.reload()
    expect(page.get_by_role("heading", name="You are in")).to_be_visible()
    page.get_by_role("link", name="See your ticket").click()
    expect(page.get_by_role("img", name="Your entry code")).to_be_visible()
    assert page.url.startswith(f"{visitor.address}/orders/")


def test_shop_that_cors_origin_does_not_name_says_so(folder, origin):
    """The control of the test above: without its origin in `CORS_ORIGIN` nothing is sold, and the page names it."""
    make_tier()
    with (
        web_server(workers=1, CORS_ORIGIN="https://shop.example") as address,
        shopping(folder, address) as visitor,
    ):
        visitor.page.goto(origin)

        notice = visitor.page.get_by_role("alert")
        expect(notice).to_contain_text(f"does its CORS_ORIGIN name {origin}?")
        assert any("blocked by CORS policy" in complaint for complaint in visitor.complaints)
        visitor.complaints.clear()


def test_answer_that_gets_lost_is_asked_for_with_the_same_key(visitor, origin):
    tier = make_tier()
    page = visitor.page
    keys = lose_answers(page)
    page.goto(origin)
    order(page, tier)
    expect(page.get_by_role("button", name="Try again", exact=True)).to_be_enabled()
    expect(page.get_by_role("alert")).to_contain_text("The answer got lost on its way.")
    assert Order.objects.count() == 1

    page.reload()  # asks again by itself
    expect(page.get_by_role("button", name="Try again", exact=True)).to_be_enabled()
    page.unroute_all()
    page.get_by_role("button", name="Try again", exact=True).click()
    expect(page.get_by_role("heading", name="Your seats are held")).to_be_visible()

    assert (Order.objects.count(), len(keys), len(set(keys))) == (1, 2, 1)
    assert all("Failed to load resource" in complaint for complaint in visitor.complaints)
    visitor.complaints.clear()


def test_address_of_the_page_may_name_a_server_of_this_machine(folder, origin, office):
    tier = make_tier()
    nobody = f"http://127.0.0.1:{free_port()}"
    with shopping(folder, nobody) as visitor:
        visitor.page.goto(f"{origin}/?api={office}")
        order(visitor.page, tier)
        expect(visitor.page.get_by_role("heading", name="Your seats are held")).to_be_visible()


@pytest.mark.parametrize(
    "asked", ["https://shop.example", "http://127.0.0.1.shop.example", "//shop.example", "javascript:alert(1)", ""]
)
def test_address_of_the_page_leads_nowhere_else(visitor, origin, asked):
    tier = make_tier()
    elsewhere: list[str] = []
    visitor.page.on("request", lambda request: elsewhere.append(request.url) if ".example" in request.url else None)

    visitor.page.goto(f"{origin}/?api={asked}")

    expect(visitor.page.get_by_role("button", name=f"Choose {tier.name} for {tier.event.name}")).to_be_visible()
    # (the page's own address has it)
    assert [url for url in elsewhere if not url.startswith(origin)] == []


@pytest.mark.parametrize(
    ("place", "asked", "api"),
    [
        ("http://localhost:8100/", "http://127.0.0.1:9000/path", "http://127.0.0.1:9000"),
        ("https://tickets.example/", "http://127.0.0.1:9000", API),
    ],
    ids=["tried", "for guests"],
)
def test_shop_for_guests_has_one_server(tmp_path, place, asked, api):
    (tmp_path / "config.mjs").write_text((SHOP / "config.js").read_text())
    code = "globalThis.location = new URL(process.argv[1]); console.log((await import(process.argv[2])).API)"
    command = [program("node"), "--input-type=module", "-e", code, f"{place}?api={asked}", f"{tmp_path}/config.mjs"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.stdout.strip(), done.stderr) == (api, "")


def lose_answers(page: Page) -> list[str]:
    """Orders reach the server, and what it says is lost on the way. Returns the keys that they come with."""
    keys: list[str] = []

    def lose(route: Any) -> None:
        if route.request.method == "POST":
            keys.append(route.request.headers["idempotency-key"])
            route.fetch()
        route.abort() if route.request.method == "POST" else route.continue_()

    page.route("**/api/orders", lose)
    return keys


def test_shop_tells_who_was_too_late_what_is_left(visitor, origin):
    tier = make_tier(quantity=2)
    free = make_tier(name="Free", price=0)
    page = visitor.page
    page.goto(origin)
    fill(page, tier)
    TicketTier.objects.filter(pk=tier.pk).update(sold=1)
    page.get_by_role("button", name="Order", exact=True).click()

    expect(page.get_by_role("alert")).to_have_text("Only 1 left: please take fewer.")
    page.get_by_role("combobox", name="Tickets").select_option("1")
    page.get_by_role("button", name="Order", exact=True).click()
    expect(page.get_by_role("heading", name="Your seats are held")).to_be_visible()
    expected_only(visitor, "400")

    page.get_by_role("button", name="Order something else").click()
    fill(page, free)
    page.get_by_role("button", name="Get your ticket").click()
    expect(page.get_by_role("heading", name="You are in")).to_be_visible()


def test_shop_waits_as_long_as_a_limit_asks(folder, origin):
    tiers = [make_tier(name=name) for name in ("First", "Second")]
    with (
        web_server(workers=1, CORS_ORIGIN=origin, RATE_LIMIT_ORDERS="1/15m") as address,
        shopping(folder, address) as visitor,
    ):
        page = visitor.page
        page.goto(origin)
        order(page, tiers[0])
        page.get_by_role("button", name="Order something else").click()
        order(page, tiers[1])

        expect(page.get_by_role("alert")).to_contain_text("Very many people are asking from your network.")
        expect(page.get_by_role("button", name="Try again in")).to_be_disabled()
        assert Order.objects.count() == 1
        expected_only(visitor, "429")


def expected_only(visitor: Visitor, status: str) -> None:
    """The browser itself writes each refusal to its console; nothing else may stand there."""
    assert all(f"status of {status}" in complaint for complaint in visitor.complaints)
    visitor.complaints.clear()
