"""The connection that each thread keeps, and the statements that go the short way to it."""

from contextlib import contextmanager

import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from django.test import Client

from events.models import TicketTier
from homeproductions.mail import turns
from homeproductions.postgresql.base import PREPARE_AFTER
from orders.models import CheckIn, Order, RefusedScan
from orders.queries import find_for_guest
from tests.factories import bearer, make_tier, make_user
from tests.signing import PATH, new_secret, paid_body, signed_headers

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = new_secret()
ORDERS = 3 * PREPARE_AFTER
PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%email_outbox%'"


@pytest.fixture(params=[True, False], ids=["prepared", "not prepared"])
def prepares(request, settings):
    settings.DATABASE_PREPARE, settings.PAYMENT_WEBHOOK_SECRETS = request.param, [SECRET]
    connection.close()  # the next one is made with this setting
    yield request.param
    connection.close()


def wish(tier):
    names = {"eventId": str(tier.event_id), "tierId": str(tier.pk)}
    return {**names, "buyerName": "Ana", "buyerEmail": "ana@example.com"}


@pytest.fixture
def evening(api):
    """Orders that are paid and let in, often enough for what is prepared to be used again."""
    tier = make_tier(quantity=ORDERS)
    phone = bearer(make_user("staff"))
    for number in range(ORDERS):
        # Another number of columns each second time.
        answer = api.post("/api/orders", {**wish(tier), "buyerPhone": "+502 5555 0101" if number % 2 else None})
        assert answer.status_code == 201
        order = Order.objects.get(order_number=answer.json()["order"]["orderNumber"])
        body = paid_body(order)
        paid = Client().post(PATH, body, "application/json", headers=signed_headers(SECRET, body))
        assert paid.json() == {"received": True, "processed": True}
        scans = [api.post("/api/checkin", {"orderNumber": order.order_number}, headers=phone) for _ in range(2)]
        assert [scan.status_code for scan in scans] == [200, 400]
        assert api.get(f"/api/orders/{order.order_number}").json()["order"]["status"] == "paid"
    return tier


def test_an_evening_is_the_same_whether_statements_are_prepared_or_not(prepares, evening):
    first, second = turns.claim(), turns.claim()

    assert [email.email_type for email in (*first, *second)] == ["ticket", "ticket"]
    sold = TicketTier.objects.get(pk=evening.pk).sold
    assert (sold, Order.objects.filter(status="paid").count()) == (ORDERS, ORDERS)
    assert (CheckIn.objects.count(), RefusedScan.objects.count()) == (ORDERS, ORDERS)
    with connection.cursor() as cursor:
        cursor.execute(PREPARED)
        assert bool(cursor.fetchone()[0]) == prepares


@pytest.fixture
def number(settings, api):
    """Of an order that was looked up often enough for that to be prepared."""
    settings.DATABASE_PREPARE = True
    connection.close()
    number = api.post("/api/orders", wish(make_tier())).json()["order"]["orderNumber"]
    for _ in range(PREPARE_AFTER + 1):
        assert api.get(f"/api/orders/{number}").status_code == 200
    yield number
    connection.close()


@contextmanager
def new_release(change, back):
    """The next migration while this release still serves."""
    with psycopg.connect(connection.connection.info.dsn, autocommit=True) as other:
        other.execute(change)
        try:
            yield
        finally:
            connection.close()
            other.execute(back)


NEW_COLUMN = ("ALTER TABLE orders ADD next_release int NOT NULL DEFAULT 0", "ALTER TABLE orders DROP next_release")
RETYPE = "ALTER TABLE orders ALTER payment_method TYPE"
NEW_TYPE = (f"{RETYPE} varchar(410)", f"{RETYPE} varchar(50)")


@pytest.mark.parametrize("release", [NEW_COLUMN, NEW_TYPE], ids=["column", "type"])
def test_a_migration_does_not_disturb_what_is_prepared(api, number, release):
    with new_release(*release):
        assert api.get(f"/api/orders/{number}").status_code == 200
        assert api.get(f"/api/orders/{number}").status_code == 200


def test_in_a_transaction_the_caller_tries_again(number):
    with new_release(*NEW_TYPE):
        with pytest.raises(OperationalError), transaction.atomic():
            find_for_guest(number)
        connection.close_if_unusable_or_obsolete()  # as at the end of each request

        with transaction.atomic():
            assert find_for_guest(number).order_number == number


def test_a_connection_that_the_server_ended_is_replaced_before_it_is_used(api):
    assert api.get("/api/orders/HP26-NONE").status_code == 404
    ended = connection.connection
    with psycopg.connect(ended.info.dsn, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [ended.info.backend_pid])

    connection.close_if_unusable_or_obsolete()  # as at the start of each request

    assert api.get("/api/orders/HP26-NONE").status_code == 404
    assert connection.connection is not ended
