"""The connection that each thread keeps, and the statements that go the short way to it."""

import psycopg
import pytest
from django.db import connection
from django.test import Client

from events.models import TicketTier
from homeproductions.mail import services as outbox
from homeproductions.postgresql.base import PREPARE_AFTER
from orders.models import CheckIn, Order, RefusedScan
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
    first, second = outbox.claim(), outbox.claim()

    assert [email.email_type for email in (*first, *second)] == ["ticket", "ticket"]
    sold = TicketTier.objects.get(pk=evening.pk).sold
    assert (sold, Order.objects.filter(status="paid").count()) == (ORDERS, ORDERS)
    assert (CheckIn.objects.count(), RefusedScan.objects.count()) == (ORDERS, ORDERS)
    with connection.cursor() as cursor:
        cursor.execute(PREPARED)
        assert bool(cursor.fetchone()[0]) == prepares


def test_a_new_column_does_not_disturb_what_is_prepared(settings, api):
    settings.DATABASE_PREPARE = True
    tier = make_tier()
    connection.close()
    number = api.post("/api/orders", wish(tier)).json()["order"]["orderNumber"]
    for _ in range(PREPARE_AFTER + 1):
        assert api.get(f"/api/orders/{number}").status_code == 200

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders ADD COLUMN next_release integer NOT NULL DEFAULT 0")
    try:
        assert api.get(f"/api/orders/{number}").status_code == 200
        assert api.post("/api/orders", wish(tier)).status_code == 201
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE orders DROP COLUMN next_release")


def test_a_connection_that_the_server_ended_is_replaced_before_it_is_used(api):
    assert api.get("/api/orders/HP26-NONE").status_code == 404
    ended = connection.connection
    with psycopg.connect(ended.info.dsn, password=ended.info.password, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [ended.info.backend_pid])

    connection.close_if_unusable_or_obsolete()  # as at the start of each request

    assert api.get("/api/orders/HP26-NONE").status_code == 404
    assert connection.connection is not ended
