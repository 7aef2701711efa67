"""Files of many rows: each row once, few in memory, no more queries than for a short one."""

import tracemalloc
import weakref

import pytest
from django.db import connection
from django.db.models.signals import post_init
from django.test.utils import CaptureQueriesContext

from audit.models import AuditLog
from homeproductions.office.exports import ROWS_AT_ONCE
from newsletter.models import Subscriber
from orders.models import Order
from orders.queries import listed
from tests.factories import make_order, make_tier

from .exports import KINDS, PATH, take

pytestmark = pytest.mark.django_db

ORDERS = 50_000
# The triggers would look at each row; here they only cost time.
FILL = """
INSERT INTO orders (id, order_number, event_id, tier_id, buyer_name, buyer_email, quantity, unit_price, total_price,
                    currency, status, qr_code_hash, code_version, is_test, created_at, updated_at)
SELECT gen_random_uuid(), 'HP26-' || n, %(event)s, %(tier)s, 'Guest ' || n, 'guest' || n || '@example.com', 1, 10, 10,
       'USD', 'paid', md5(n::text), 1, false, now() - (n / 3) * interval '1 minute', now()
  FROM generate_series(1, %(orders)s) n;
ANALYZE orders;
"""


@pytest.fixture
def fifty_thousand():
    fill(ORDERS)


@pytest.fixture
def six_thousand():
    fill(6_000)


def fill(orders):
    tier = make_tier(quantity=orders)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE orders DISABLE TRIGGER USER")
        cursor.execute(FILL, {"event": tier.event_id, "tier": tier.pk, "orders": orders})


def peak(work):
    """The most megabytes that the work held at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


@pytest.fixture
def alive():
    """The orders in memory: `most` is how many there were at once."""

    class Alive(weakref.WeakSet):
        most = 0

        def note(self, instance, **kwargs):
            self.add(instance)
            self.most = max(self.most, len(self))

    orders = Alive()
    post_init.connect(orders.note, sender=Order)
    yield orders
    post_init.disconnect(orders.note, sender=Order)


def test_fifty_thousand_orders_come_once_each_and_few_are_in_memory(office, fifty_thousand, alive):
    response = office.post(PATH, {"what": "orders", "format": "csv"})
    numbers = set()
    lines = 0
    for part in response.streaming_content:
        found = [line.split(b",")[0] for line in part.splitlines()]
        lines, numbers = lines + len(found), numbers | set(found)

    assert lines == len(numbers) == ORDERS + 1  # three at a time were placed in the same minute
    assert [(entry.action, entry.new_value["rows"]) for entry in AuditLog.objects.filter(entity_type="orders")] == [
        ("EXPORT", ORDERS)
    ]
    assert alive.most <= 2 * ROWS_AT_ONCE
    kept = list(listed()[:10_000])  # the control: they would be seen
    assert alive.most == len(kept)


def test_an_excel_file_holds_few_orders_at_once(office, six_thousand, alive):
    response = office.post(PATH, {"what": "orders", "format": "xlsx"})

    assert sum(len(part) for part in response.streaming_content) > 2**17
    assert alive.most <= 2 * ROWS_AT_ONCE


@pytest.mark.parametrize("what", ["orders", "guests"])
def test_an_export_takes_little_memory(office, six_thousand, what):
    def export():
        response = office.post(PATH, {"what": what, "format": "csv"})
        assert sum(part.count(b"\n") for part in response.streaming_content) == 6_001

    assert peak(export) < 10
    assert peak(lambda: list(listed())) > 20  # the control: so much they would take


@pytest.mark.parametrize("what", KINDS)
def test_as_many_queries_for_many_rows_as_for_few(office, what):
    def queries():
        with CaptureQueriesContext(connection) as found:
            take(office, what)
        return len(found)

    def add(number):
        make_order(status="paid", buyer_email=f"guest{number}@example.com")
        Subscriber.objects.create(email=f"guest{number}@example.com")

    add(1)
    for_one = queries()
    for number in range(2, 5):
        add(number)

    assert queries() == for_one
