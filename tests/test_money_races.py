"""Two things happen to an order in the same moment, on a real PostgreSQL: only legal ends, however often it is tried.

Each race has a control in which the lock is taken away. It has to end badly, or the test would prove nothing.
"""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet, Sum
from django.test import Client
from django.utils import timezone

from events.models import TicketTier
from homeproductions.errors import Refused
from homeproductions.reading import fetch_with
from orders.models import IdempotencyKey, JournalEntry, Order
from orders.services import holds, idempotency, matching, status
from orders.services.checkin import Scan, check_in
from tests.factories import make_order, make_tier, make_user
from tests.signing import PATH, new_secret, paid_body, signed_headers

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 100
CONTROL_ROUNDS = 30
SECRET = new_secret()
STEP = 0.002  # seconds
LOOKING = 0.01  # seconds that a look without a lock lasts, for the others to look as well


@pytest.fixture(autouse=True)
def webhook_secret(settings):
    settings.PAYMENT_WEBHOOK_SECRETS = [SECRET]


@pytest.fixture
def without_locks(monkeypatch):
    """Orders are read like anything else."""

    class Unlocked(QuerySet):
        def _fetch_all(self):
            is_new = self._result_cache is None
            super()._fetch_all()
            if is_new:
                time.sleep(LOOKING)

    lock = QuerySet.select_for_update

    def look(rows, *args, **kwargs):
        if rows.model is not Order:
            return lock(rows, *args, **kwargs)
        rows = rows.all()
        rows.__class__ = Unlocked
        return rows

    def look_at_once(model, parents, condition, *values):
        found = fetch_with(model, parents, condition.partition(" FOR NO KEY UPDATE")[0], *values)
        time.sleep(LOOKING)
        return found

    monkeypatch.setattr(QuerySet, "select_for_update", look)
    monkeypatch.setattr(matching, "fetch_with", look_at_once)


def together(*actions):
    """Call them at once, each in a thread with a connection of its own; what each returned, or its error's name."""
    start = Barrier(len(actions))

    def run(action):
        start.wait()
        try:
            return outcome(action)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as threads:
        return list(threads.map(run, actions))


def race(orders, first, second):
    """Both actions on each order at once, one order after the other; the results of each.

    Whoever loses gets a little more of a start in the next round, so that most rounds are decided by a hair.
    """
    results, lead = ([], []), [0.0]

    def give_the_loser_a_start():
        if results[1]:
            lead[0] += STEP if is_done(results[1][-1]) else -STEP

    start = Barrier(2, give_the_loser_a_start)

    def run(action, mine, sign):
        for order in orders:
            start.wait()
            time.sleep(max(0, lead[0] * sign))
            mine.append(outcome(lambda order=order: action(order)))
        connection.close()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(run, (first, second), results, (-1, 1)))
    return results


def is_done(result):
    """Not refused, not failed, and not left to somebody else."""
    return bool(result) and not isinstance(result, str)


def outcome(action):
    try:
        return action()
    except Refused as refusal:
        return refusal.code
    except Exception as error:
        return type(error).__name__


def books(tier):
    """Seats of the journal, seats sold, seats of the live orders: three times the same number."""
    in_journal = JournalEntry.objects.filter(tier=tier).aggregate(seats=Sum("seats"))["seats"]
    live = Order.objects.filter(tier=tier, status__in=("pending", "paid")).aggregate(seats=Sum("quantity"))["seats"]
    return [in_journal or 0, TicketTier.objects.get(pk=tier.pk).sold, live or 0]


def assert_books_agree(tier):
    seats = books(tier)
    assert len(set(seats)) == 1, seats
    paid, sales = Order.objects.filter(tier=tier, status__in=("paid", "refunded")), JournalEntry.objects
    assert set(sales.filter(tier=tier, kind="sale").values_list("order", flat=True)) == set(
        paid.values_list("pk", flat=True)
    )
    gone = Order.objects.filter(tier=tier, status__in=("cancelled", "refunded"))
    assert set(sales.filter(tier=tier, kind="released").values_list("order", flat=True)) == set(
        gone.values_list("pk", flat=True)
    )


# --- The end of a hold, or of the buyer's patience, against the money ----------------------------------------

PAID = ("paid", 2, [""], 200, False)
TOO_LATE = ("cancelled", 0, ["late_payment"], 200, True)


def pay(order):
    """The provider's webhook for the order; its HTTP status."""
    body = paid_body(order)
    client = Client(raise_request_exception=False)
    headers = signed_headers(SECRET, body)
    return client.post(PATH, body, content_type="application/json", headers=headers).status_code


def cancel(order):
    return status.cancel(order.pk)


def expire(order):
    """At the end of this order's hold; those of the later rounds are longer."""
    return holds.expire_due(order.hold_expires_at)


def end_against_payment(end, rounds):
    """How often an order ended as (status, seats held, what its payments wait for, answer to the webhook, ended)."""
    tier, now = make_tier(quantity=2 * rounds), timezone.now()
    minutes = [now + timedelta(minutes=number) for number in range(rounds)]
    orders = [make_order(tier, quantity=2, hold_expires_at=moment) for moment in minutes]
    paid, ended = race(orders, pay, end)
    return tier, Counter(str(end_of(*each)) for each in zip(orders, paid, ended, strict=True))


def end_of(order, answer, ended):
    order.refresh_from_db()
    held = JournalEntry.objects.filter(order=order).aggregate(seats=Sum("seats"))["seats"]
    reviews = list(order.payments.values_list("needs_review", flat=True))
    is_refused = ended in (0, "CANNOT_CANCEL_NON_PENDING")
    return order.status, held, reviews, answer, False if is_refused else is_done(ended) or ended


@pytest.mark.parametrize("end", [cancel, expire])
def test_order_is_paid_with_its_seats_or_cancelled_with_the_payment_kept(end):
    tier, ends = end_against_payment(end, ROUNDS)

    assert set(ends) == {str(PAID), str(TOO_LATE)}, ends  # both: neither side always won
    assert_books_agree(tier)


@pytest.mark.parametrize("end", [cancel, expire])
def test_without_locks_a_payment_goes_wrong(end, without_locks):
    _, ends = end_against_payment(end, CONTROL_ROUNDS)

    assert set(ends) - {str(PAID), str(TOO_LATE)}, ends


# --- Refund against scan -------------------------------------------------------------------------------------

INSIDE = ("paid", 1)
TURNED_AWAY = ("refunded", 0)


def refund_against_scan(rounds):
    """How often an order ended as (status, check-ins)."""
    tier, actor = make_tier(quantity=2 * rounds), make_user()
    orders = [make_order(tier, "paid", quantity=2) for _ in range(rounds)]

    def scan(order):
        return check_in(Scan(text=order.order_number, actor=actor))

    race(orders, scan, lambda order: status.refund(order.pk))
    ends = Counter()
    for order in orders:
        order.refresh_from_db()
        ends[order.status, order.checkins.count()] += 1
    return tier, ends


def test_nobody_is_refunded_and_admitted():
    tier, ends = refund_against_scan(ROUNDS)

    assert set(ends) == {INSIDE, TURNED_AWAY}, ends
    assert_books_agree(tier)


def test_without_locks_somebody_is_refunded_and_admitted(without_locks):
    _, ends = refund_against_scan(CONTROL_ROUNDS)

    assert ends["refunded", 1], ends


# --- A double tap --------------------------------------------------------------------------------------------

TAPS = 32


def tap(tier):
    """The same order with the same key from 32 phones' threads: how often each answer, and the order numbers."""
    body = {"eventId": str(tier.event_id), "tierId": str(tier.pk), "buyerName": "A", "buyerEmail": "a@example.com"}

    def order():
        headers = {"Idempotency-Key": "one-tap"}
        response = Client().post("/api/orders", body, content_type="application/json", headers=headers)
        return response.status_code, response.json()["order"]["orderNumber"]

    return Counter(together(*[order] * TAPS))


def test_a_double_tap_orders_once():
    tier = make_tier(quantity=1)  # so a second order would have to say SOLD_OUT

    answers = tap(tier)

    assert answers == {(201, Order.objects.get().order_number): TAPS}
    assert IdempotencyKey.objects.count() == 1
    assert_books_agree(tier)


def test_a_key_that_is_written_after_the_order_orders_twice(monkeypatch):
    def claim_later(attempt, order_id):
        row = IdempotencyKey(
            key_hash=attempt.key_hash, body_hash=attempt.body_hash, order_id=order_id, first_status="pending"
        )
        transaction.on_commit(lambda: IdempotencyKey.objects.bulk_create([row], ignore_conflicts=True))

    monkeypatch.setattr(idempotency, "claim", claim_later)

    tap(make_tier())

    assert Order.objects.count() > 1


# --- Several workers -----------------------------------------------------------------------------------------

WORKERS, HOLDS = 4, 20


def expire_in_parallel(caplog):
    """Orders expired by all workers, and orders that one of them failed at."""
    tier = make_tier()
    make_order(tier, quantity=50)  # stays, so that a double release would not be stopped at zero
    for _ in range(HOLDS):
        make_order(tier, quantity=2, hold_expires_at=timezone.now() - timedelta(seconds=1))
    expired = sum(together(*[holds.expire_due] * WORKERS))
    return tier, expired, caplog.text.count("hold not expired")


def test_four_workers_release_each_seat_once(caplog):
    tier, expired, failed = expire_in_parallel(caplog)

    assert (expired, failed) == (HOLDS, 0)
    assert books(tier) == [50, 50, 50]
    assert JournalEntry.objects.filter(kind="released").count() == HOLDS


def test_without_locks_workers_release_seats_twice(caplog, without_locks, monkeypatch):
    """The journal's once-per-order rule would still stop them: it is taken away as well."""
    monkeypatch.setattr("orders.journal.released", lambda order: None)

    tier, expired, _ = expire_in_parallel(caplog)

    assert expired > HOLDS
    assert TicketTier.objects.get(pk=tier.pk).sold < 50
