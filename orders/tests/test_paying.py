"""Payment pages of an order's own, at a stand-in that speaks the providers' APIs. Nothing here uses the network."""

import json
import threading
import time
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from orders import checkouts, links
from orders.models import Order
from orders.services import paying
from tests import payment_provider
from tests import provider_bodies as bodies
from tests.factories import make_event, make_order, make_tier
from tests.provider_bodies import receive

from .test_order_api import wish

PROVIDERS = ["recurrente", "stripe"]


@pytest.fixture
def provider(settings, monkeypatch):
    """Nobody has keys; `use` gives them to one provider, whose API is on this machine."""
    monkeypatch.setattr(paying, "_rests_until", {})
    settings.PUBLIC_URL = "https://tickets.example"
    with payment_provider.running() as standing_in:
        settings.RECURRENTE_API_URL, settings.STRIPE_API_URL = f"{standing_in.address}/recurrente", standing_in.address
        yield standing_in


@pytest.fixture
def use(settings):
    def give_keys(name):
        is_recurrente = name == "recurrente"
        settings.RECURRENTE_PUBLIC_KEY = payment_provider.PUBLIC_KEY if is_recurrente else ""
        settings.RECURRENTE_SECRET_KEY = payment_provider.SECRET_KEY if is_recurrente else ""
        settings.STRIPE_SECRET_KEY = "" if is_recurrente else payment_provider.STRIPE_KEY

    return give_keys


@pytest.fixture(params=PROVIDERS)
def each(request, provider, use, db):
    use(request.param)
    provider.name = request.param
    return provider


def stored(order):
    row = Order.objects.get(pk=order.pk)
    return row.checkout_provider, row.checkout_reference, row.checkout_url


NOTHING = (None, None, None)


def test_order_gets_a_payment_page_of_its_own(api, each):
    tier = make_tier(price=Decimal("25.25"), currency="GTQ", payment_link="https://pay.example.com/all")

    answer = api.post("/api/orders", wish(tier))

    order = Order.objects.get()
    assert (answer.status_code, answer.json()["order"]["paymentLink"]) == (201, order.checkout_url)
    assert (order.checkout_provider, order.checkout_reference) == (each.name, next(iter(each.states)))
    assert order.checkout_url.startswith("https://")


def test_recurrente_is_told_what_it_needs(api, provider, use):
    use("recurrente")
    event = make_event(name="Noche Blanca", hold_minutes=45)

    api.post("/api/orders", wish(make_tier(event, name="VIP", price=Decimal("19.99"), max_per_order=20), quantity=12))

    [asked], order = provider.asked, Order.objects.get()
    back = links.order_url(order)
    assert (asked.method, asked.path) == ("POST", "/recurrente/checkouts")
    assert parse_datetime(asked.content.pop("expires_at")) == order.hold_expires_at.replace(microsecond=0)
    assert asked.content == {
        "items": [{"name": "12 x VIP, Noche Blanca", "amount_in_cents": 23988, "currency": "USD", "quantity": 1}],
        "success_url": f"{back}?paid=1",
        "cancel_url": back,
        "metadata": {"order_id": order.order_number, "order_number": order.order_number},
    }


def test_stripe_is_told_what_it_needs(api, provider, use):
    use("stripe")

    api.post("/api/orders", wish(make_tier(make_event(name="Noche Blanca"), name="VIP", price=Decimal("19.99"))))

    [asked], order = provider.asked, Order.objects.get()
    back = links.order_url(order)
    assert (asked.method, asked.path, len(asked.headers["idempotency-key"])) == ("POST", "/v1/checkout/sessions", 64)
    assert asked.content == {
        "mode": "payment",
        "client_reference_id": order.order_number,
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][unit_amount]": "3998",
        "line_items[0][price_data][product_data][name]": "2 x VIP, Noche Blanca",
        "success_url": f"{back}?paid=1",
        "cancel_url": back,
        "metadata[order_id]": order.order_number,
        "metadata[order_number]": order.order_number,
        "payment_intent_data[metadata][order_id]": order.order_number,
        "payment_intent_data[metadata][order_number]": order.order_number,
        "customer_email": "Lucia@example.com",
        "expires_at": str(int(order.hold_expires_at.timestamp())),
    }


@pytest.mark.parametrize("minutes", [1, 29, 24 * 60, 60 * 24 * 30])
def test_stripe_session_ends_within_its_limits(provider, use, db, minutes):
    use("stripe")
    order = make_order(hold_expires_at=timezone.now() + timedelta(minutes=minutes))

    assert paying.start(order)


def test_stripe_gets_no_address_that_it_may_refuse(provider, use, db):
    use("stripe")

    paying.start(make_order(buyer_email="lucia@münchen.example"))

    assert "customer_email" not in provider.asked[0].content


def test_same_try_has_the_same_key_and_a_later_one_another():
    first, again = checkouts.try_key({"a": "1"}), checkouts.try_key({"a": "1"})

    assert first == again != checkouts.try_key({"a": "2"})


def test_without_keys_the_link_is_the_tiers(api, provider):
    answer = api.post("/api/orders", wish(make_tier(payment_link="https://pay.example.com/all"))).json()

    assert answer["order"]["paymentLink"] == "https://pay.example.com/all"
    assert (provider.asked, stored(Order.objects.get())) == ([], NOTHING)


FAILURES = {
    "server error": {"refuse": 500},
    "wrong keys": {"refuse": 401},
    "refused": {"refuse": 422},
    "moved": {"refuse": 302},
    "not JSON": {"answer": b"<html>Down for maintenance</html>"},
    "deep": {"answer": b"[" * 100_000},
    "endless": {
        "answer": b" " * 2 * checkouts.ANSWER_MAX_BYTES + b'{"id": "ch_1", "checkout_url": "https://x.example"}'
    },
    "a list": {"answer": []},
    "empty": {"answer": {}},
    "no address": {"answer": {"id": "ch_1"}},
    "address nobody may follow": {"answer": {"id": "ch_1", "checkout_url": "javascript:alert(1)", "url": "x"}},
    "no text": {"answer": {"id": 5, "checkout_url": ["x"], "url": None}},
    "endless id": {"answer": {"id": "c" * 256, "checkout_url": "https://x.example", "url": "https://x.example"}},
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_failing_provider_costs_no_order(api, each, failure, caplog):
    vars(each).update(failure)

    answer = api.post("/api/orders", wish(make_tier()))

    order = Order.objects.get()
    assert (answer.status_code, answer.json()["order"]["paymentLink"], stored(order)) == (201, None, NOTHING)
    assert len(each.asked) == 1
    [line] = [record.msg for record in caplog.records if "provider failed" in str(record.msg)]
    assert (line["provider"], line["order"]) == (each.name, order.order_number)
    assert "only_for_tests" not in json.dumps(line, default=str)


def test_slow_provider_is_left_waiting(api, each, monkeypatch):
    monkeypatch.setattr(checkouts, "TIMEOUT", (1, 0.2))
    each.delay = 1

    started = time.monotonic()
    answer = api.post("/api/orders", wish(make_tier()))

    assert (answer.status_code, stored(Order.objects.get())) == (201, NOTHING)
    assert time.monotonic() - started < 0.9


@pytest.mark.parametrize("part", ["head", "body"])
def test_provider_that_drips_its_answer_is_left_waiting(each, monkeypatch, part):
    monkeypatch.setattr(checkouts, "PATIENCE", 0.4)
    each.drip = part
    order = make_order()

    started = time.monotonic()
    assert not paying.start(order)

    assert (time.monotonic() - started < 1, stored(order)) == (True, NOTHING)


def test_thread_that_was_left_to_a_dripping_provider_ends(each, monkeypatch):
    monkeypatch.setattr(checkouts, "PATIENCE", 0.4)
    each.drip, before = "body", threading.enumerate()

    with pytest.raises(checkouts.CheckoutFailed, match="no answer in time"):
        checkouts.call("GET", f"{each.address}/recurrente/checkouts/ch_1", headers={})

    for thread in set(threading.enumerate()) - set(before):
        thread.join(5)
    assert set(threading.enumerate()) <= set(before)


def test_provider_that_is_away_is_not_asked_for_each_order(each, monkeypatch):
    each.refuse = 503
    orders = [make_order(), make_order()]

    assert [paying.start(order) for order in orders] == [False, False]
    assert len(each.asked) == 1

    each.refuse = None
    monkeypatch.setattr(paying, "_rests_until", {each.name: time.monotonic() - 1})
    assert paying.start(orders[1])


def test_order_that_the_provider_refuses_stops_no_other(each):
    each.refuse = 422
    assert not paying.start(make_order())

    each.refuse = None
    assert paying.start(make_order())


def test_nobody_listens(provider, use, db, settings):
    use("recurrente")
    settings.RECURRENTE_API_URL = "http://127.0.0.1:9"
    order = make_order()

    assert (paying.start(order), stored(order)) == (False, NOTHING)


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "paid"},
        {"status": "cancelled"},
        {"is_test": True},
        {"total_price": 0},
        {"hold_expires_at": timedelta(0)},
        {"tier": {"status": "cancelled"}},
    ],
    ids=str,
)
def test_order_that_cannot_be_paid_gets_no_page(each, fields):
    if "hold_expires_at" in fields:
        fields = {"hold_expires_at": timezone.now() + fields["hold_expires_at"]}
    tier = make_tier(make_event(**fields["tier"])) if "tier" in fields else None

    order = make_order(**{**fields, "tier": tier})

    assert (paying.start(order), each.asked, stored(order)) == (False, [], NOTHING)


def test_order_keeps_the_page_it_has(each):
    order = make_order()
    paying.start(order)
    before = stored(order)

    assert paying.start(Order.objects.get())
    assert (stored(order), [asked.method for asked in each.asked]) == (before, ["POST", "GET"])


def test_page_that_is_gone_is_replaced(each):
    order = make_order()
    paying.start(order)
    before = stored(order)
    each.states[before[1]] = {"status": "expired"}

    assert paying.start(Order.objects.get())
    assert stored(order)[1] != before[1]
    assert stored(order)[1] in each.states


def test_order_that_was_closed_meanwhile_gets_no_page(each):
    order = make_order()
    each.watch = lambda asked: None
    stale = Order.objects.get()
    Order.objects.update(status="cancelled")

    assert not paying._keep(stale, paying.PROVIDERS[0], checkouts.Checkout("ch_late", "https://pay.example"))
    assert (stored(order), stale.status) == (NOTHING, "cancelled")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", PROVIDERS)
def test_of_two_at_once_one_page_is_kept_and_both_use_it(provider, use, name):
    use(name)
    order = make_order()
    both_asked = threading.Barrier(2)
    provider.watch = lambda asked: both_asked.wait(10)
    seen = []

    def try_it():
        mine = Order.objects.select_related("tier", "event").get(pk=order.pk)
        paying.start(mine)
        seen.append(mine.checkout_reference)
        connection.close()

    threads = [threading.Thread(target=try_it) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(provider.states), seen) == (2, [stored(order)[1]] * 2)


@pytest.mark.django_db(transaction=True)
def test_provider_is_asked_after_the_commit(api, provider, use):
    use("recurrente")
    found = []

    def look(asked):
        found.append(Order.objects.get().order_number)
        connection.close()

    provider.watch = look
    was_open = []
    original = checkouts.within

    def spy(*args):
        was_open.append(connection.in_atomic_block)
        return original(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkouts, "within", spy)
        answer = api.post("/api/orders", wish(make_tier())).json()

    assert (found, was_open) == ([answer["order"]["orderNumber"]], [False])
    assert answer["order"]["paymentLink"]


# --- Asking ------------------------------------------------------------------------------------------------

PAST, FUTURE = "2020-01-01T00:00:00Z", "2050-05-15T13:45:30Z"


@pytest.mark.parametrize(
    ("name", "answer", "state"),
    [
        ("recurrente", {"status": "paid"}, "paid"),
        ("recurrente", {"status": "unpaid"}, "open"),
        ("recurrente", {"status": "unpaid", "expires_at": FUTURE}, "open"),
        ("recurrente", {"status": "unpaid", "expires_at": PAST}, "gone"),
        ("recurrente", {"status": "unpaid", "expires_at": "2020-13-45T00:00:00Z"}, "open"),
        ("recurrente", {"status": "unpaid", "expires_at": "2020-01-01T00:00:00"}, "gone"),
        ("recurrente", {"status": "paid", "expires_at": PAST}, "paid"),
        ("recurrente", {"status": "expired"}, "gone"),
        ("recurrente", {"status": "on the moon"}, "unknown"),
        ("recurrente", {"status": {}}, "unknown"),
        ("stripe", {"status": "complete", "payment_status": "paid"}, "paid"),
        ("stripe", {"status": "complete", "payment_status": "no_payment_required"}, "paid"),
        ("stripe", {"status": "open", "payment_status": "unpaid"}, "open"),
        ("stripe", {"status": "complete", "payment_status": "unpaid"}, "under way"),
        ("stripe", {"status": "expired", "payment_status": "unpaid"}, "gone"),
        ("stripe", {"status": None, "payment_status": None}, "unknown"),
    ],
)
def test_provider_says_what_became_of_a_page(provider, use, db, name, answer, state):
    use(name)
    order = make_order()
    paying.start(order)
    provider.states[order.checkout_reference] = answer

    assert paying.ask_provider(order).state == state


@pytest.mark.parametrize("failure", [{"refuse": 500}, {"refuse": 401}, {"answer": b"?"}, {"answer": []}], ids=str)
def test_provider_that_fails_says_nothing(each, failure):
    order = make_order()
    paying.start(order)
    vars(each).update(failure)

    assert paying.ask_provider(order).state == "unknown"


def test_order_with_money_that_waits_for_a_person_gets_no_page(each):
    order = make_order()
    receive(bodies.recurrente(order, amount_in_cents=1))

    assert (paying.start(order), each.asked) == (False, [])


def test_page_that_the_provider_does_not_know_is_gone(each):
    order = make_order(checkout_provider=each.name, checkout_reference="ch/../1?x", checkout_url="https://x.example")

    assert paying.ask_provider(order).state == "gone"
    assert each.asked[0].path.endswith("/ch%2F..%2F1%3Fx")


def test_order_without_a_page_has_none_to_ask_about(each):
    assert (paying.ask_provider(make_order()).state, each.asked) == ("gone", [])


def test_provider_whose_keys_are_gone_is_not_asked(provider, use, db):
    use("stripe")
    order = make_order(checkout_provider="recurrente", checkout_reference="ch_1", checkout_url="https://x.example")

    assert (paying.ask_provider(order).state, provider.asked) == ("unknown", [])


def test_provider_of_the_page_is_asked_although_another_opens_new_ones(provider, use, settings, db):
    use("stripe")
    order = make_order()
    paying.start(order)
    settings.RECURRENTE_PUBLIC_KEY, settings.RECURRENTE_SECRET_KEY = "a", "b"

    assert paying.ask_provider(order).state == "open"
