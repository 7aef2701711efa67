"""Lists of the office with a season of orders behind them: few queries, and none that counts or reads a whole table."""

import json
import time
from datetime import timedelta

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from events.models import Event, TicketTier
from tests.factories import bearer, make_user
from tests.lengths import length

ORDERS = length(50_000, 100_000)
NIGHTS = 500
QUERIES = 17
# Tables that grow with what is sold, and how many of their rows one click may look at: a page, what is counted, the
# nights and days that are shown. Reading one as a whole is what must not happen.
GROWING = {"orders", "payments", "email_outbox", "journal", "audit_logs", "checkins", "webhook_deliveries"}
ROWS = 15_000
SEARCH_SECONDS = 0.3

# The triggers would look at each row; here they only cost time.
FILL = """
INSERT INTO orders (id, order_number, event_id, tier_id, buyer_name, buyer_email, buyer_phone, quantity, unit_price,
                    total_price, currency, status, payment_provider, payment_method, qr_code_hash, code_version,
                    is_test, created_at, updated_at)
SELECT gen_random_uuid(), 'HP26-' || n, event_id, id, 'Guest ' || n, 'guest' || n || '@example.com', '+502 ' || n, 1,
       10, 10, 'USD', CASE WHEN n %% 40 = 0 THEN 'pending' WHEN n %% 4 IN (1, 2) THEN 'paid' ELSE 'cancelled' END,
       CASE WHEN n %% 4 IN (1, 2) THEN CASE WHEN n %% 500 = 1 THEN 'door' ELSE 'webhook' END END, 'cash',
       md5(n::text), 1, false, now() - n * interval '5 minutes', now()
  FROM generate_series(1, %(orders)s) n
  JOIN (SELECT id, event_id, row_number() OVER () - 1 AS place FROM ticket_tiers) tiers ON place = n %% %(nights)s;

INSERT INTO journal (id, kind, order_id, event_id, tier_id, seats, amount, currency, created_at)
SELECT gen_random_uuid(), kind, id, event_id, tier_id, 0, 10, 'USD', created_at
  FROM orders, (VALUES ('reserved'), ('sale')) AS kinds (kind);

INSERT INTO payments (id, order_id, kind, provider, reference, amount_minor, currency, payer_email, needs_review,
                      outcome, outcome_note, created_at)
SELECT gen_random_uuid(), id, 'charge', 'webhook', order_number, 1000, 'USD', buyer_email,
       CASE WHEN order_number LIKE '%%777' THEN 'late_payment' ELSE '' END, '', '', created_at
  FROM orders WHERE status = 'paid';

INSERT INTO email_outbox (id, order_id, email_type, recipient_email, subject, status, attempts, next_attempt_at,
                          context, created_at)
SELECT gen_random_uuid(), id, kind, buyer_email, 'A mail', CASE kind WHEN 'refund' THEN 'failed' ELSE 'sent' END, 1,
       created_at, '{}', created_at
  FROM orders, (VALUES ('ticket'), ('confirmation'), ('refund')) AS kinds (kind)
 WHERE kind <> 'refund' OR order_number LIKE '%%000';

INSERT INTO checkins (id, order_id, admitted, checked_in_at)
SELECT gen_random_uuid(), id, 1, created_at FROM orders WHERE status = 'paid' AND order_number NOT LIKE '%%7';

INSERT INTO webhook_deliveries (id, provider, event_id, body, headers, status, reason, attempts, received_at)
SELECT gen_random_uuid(), 'webhook', order_number, '{}', '{}', 'applied', '', 1, created_at
  FROM orders WHERE status = 'paid';

INSERT INTO audit_logs (id, action, entity_type, entity_id, created_at)
SELECT gen_random_uuid(), 'STATUS_CHANGE', 'order', id, created_at FROM orders;
"""


# What people ask those lists, beyond their first page.
ASKED = (
    ("mail_outboxemail", "?state=failed"),
    ("mail_outboxemail", "?state=stuck"),
    ("mail_outboxemail", "?state=sent"),
    ("mail_outboxemail", "?kind=refund"),
    ("mail_outboxemail", "?q=guest777@"),
    ("mail_outboxemail", "?q=HP261123-777"),
    ("audit_auditlog", "?q=HP26-777"),
    ("audit_auditlog", "?q=2026-11-01"),
    ("audit_auditlog", "?q=login"),
    ("audit_auditlog", "?action=LOGIN&entity_type=user"),
    ("audit_auditlog", "?entity_id__exact=00000000-0000-4000-8000-000000000000"),
    ("orders_order", "?p=100"),
    ("orders_order", "?event={event}"),
    ("orders_order", "?event={event}&tier={tier}&status__exact=paid"),
    ("orders_order", "?status__exact=pending"),
    ("orders_order", "?status__exact=refunded"),
    ("orders_order", "?from={day}&to={day}"),
    ("orders_order", "?from=2001-01-01&to=2001-01-02"),
    *(("orders_order", f"?paid_by={word}") for word in ("online", "hand", "cash", "card", "comp", "free", "test")),
    ("orders_order", "?inside=yes"),
    *(("orders_order", f"?mail={word}") for word in ("sent", "waiting", "failed")),
    ("orders_order", "?holds=soon"),
    ("orders_order", "?q=guest777@example.com"),
    ("orders_order", "?q=HP261123-777"),
    ("orders_payment", "?waiting=1"),
    ("orders_payment", "?needs_review__exact=late_payment"),
    ("orders_payment", "?kind__exact=refund"),
    ("orders_payment", "?provider=stripe"),
    ("orders_payment", "?outcome__exact=ignored"),
    ("orders_payment", "?from={day}"),
    ("orders_checkin", "?event={event}"),
    ("orders_checkin", "?from={day}"),
    ("orders_journalentry", "?kind__exact=refund"),
    ("orders_journalentry", "?event={event}"),
    ("orders_journalentry", "?from={day}"),
    ("orders_journalentry", "?q=HP26-777"),
    ("orders_webhookdelivery", "?status__exact=failed"),
    ("orders_webhookdelivery", "?provider=stripe"),
)
# Looking for a part of a name or a number, or for what is not there, has to look at every row: once.
SEARCHES = (
    ("orders_order", "?inside=partly"),
    ("orders_order", "?inside=no"),
    ("orders_order", "?mail=none"),
    ("orders_order", "?q=guest+7777"),
    ("orders_order", "?q=nobody"),
    ("orders_order", "?q=5027777"),
    ("orders_payment", "?q=guest777@"),
    ("orders_checkin", "?q=nobody"),
    ("orders_checkin", "?q=HP26-777"),
)


# What programs ask: the public lists, and the office's.
LAST_ORDERS = f"/api/admin/orders?limit=50&page={ORDERS // 50}"
LAST_PAYMENTS = f"/api/admin/payments?limit=50&page={ORDERS // 100}"
PUBLIC = ("/api/events", "/api/events/{event}", "/api/gallery")
OFFICE = (
    "/api/admin/orders?limit=50",
    "/api/admin/orders?limit=50&page=100",
    LAST_ORDERS,
    "/api/admin/orders?eventId={event}",
    "/api/admin/orders?eventId={event}&status=paid",
    "/api/admin/orders?status=pending",
    "/api/admin/orders?status=odd",
    "/api/admin/orders/checkins",
    "/api/admin/payments",
    LAST_PAYMENTS,
    "/api/admin/payments?needsReview=1",
    "/api/admin/stats/audit",
    "/api/admin/stats/audit?action=STATUS_CHANGE&entityType=order",
    "/api/admin/events",
    "/api/admin/gallery",
)
# What stands before such a page is skipped in an index, which alone may be read further than a page.
FAR = (LAST_ORDERS, "/api/admin/payments", LAST_PAYMENTS)
STATISTICS = ("/api/admin/stats", "/api/admin/stats?eventId={event}", "/admin/")
LOOKED_FOR = ("guest+777", "GUEST777@example", "HP26-777", "nobody")


@pytest.fixture
def season(transactional_db):
    """A night each day, the last one in a fortnight."""
    last = timezone.localdate() + timedelta(days=14)
    nights = [
        Event(name=f"Night {n}", location="Antigua", event_date=last - timedelta(days=n), status="active")
        for n in range(NIGHTS)
    ]
    Event.objects.bulk_create(nights)
    tiers = [TicketTier(event=night, name="General", price=10, quantity=10**6) for night in nights]
    TicketTier.objects.bulk_create(tiers)
    with connection.cursor() as cursor:
        for table in ("orders", "journal", "checkins"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in FILL.strip().rstrip(";").split(";"):
            cursor.execute(statement, {"orders": ORDERS, "nights": NIGHTS})
            # This connection has seen the tables empty; without new figures it would look for each order in all.
            cursor.execute("ANALYZE")
        for table in ("orders", "journal", "checkins"):
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        # As the server does by itself sooner or later; before, no index can answer alone.
        cursor.execute("VACUUM ANALYZE")
        # As on disks that do not turn. By default it would rather read the 45 000 check-ins than look for a night's.
        cursor.execute("SET random_page_cost = 1.1")
    yield tiers[NIGHTS // 2]
    with connection.cursor() as cursor:
        cursor.execute("RESET random_page_cost")


def lists():
    return [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in admin.site._registry
    ]


def asked(questions, tier):
    words = {"event": tier.event_id, "tier": tier.pk, "day": timezone.localdate() - timedelta(days=3)}
    return [reverse(f"admin:{name}_changelist") + query.format(**words) for name, query in questions]


def pages(tier):
    """What is no list."""
    return [
        *(reverse(name) for name in ("admin:index", "exports")),
        *(reverse(name, args=[tier.event_id]) for name in ("door-list", "admin:events_event_change")),
    ]


def plan_of(sql):
    """All steps of the query, as it was really carried out."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}")
        [plan] = cursor.fetchone()
    return list(nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))


def is_heavy(sql):
    """Whether it reads the table of orders from end to end, or sorts half as many rows, be it for the first few."""
    return any(
        (step["Node Type"] == "Seq Scan" and step["Relation Name"] == "orders")
        or (step["Node Type"] == "Sort" and given(step) >= ORDERS / 2)
        for step in plan_of(sql)
    )


def given(step):
    """How many rows the step before hands on."""
    [before] = step["Plans"]
    return before["Actual Rows"] * before["Actual Loops"]


def seconds(sql):
    """How long the answer takes; the best of three, because the machine has other things to do."""
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute(sql)
        taken.append(time.perf_counter() - began)
    return min(taken)


def read(sql, *, free=()):
    """How many rows of each growing table this query really looks at, those that it then leaves out too. Steps of a
    `free` type do not count."""
    rows = {}
    for node in plan_of(sql):
        table = node.get("Relation Name")
        if table in GROWING and node["Node Type"] not in free:
            left_out = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            rows[table] = rows.get(table, 0) + (node["Actual Rows"] + left_out) * node["Actual Loops"]
    return rows


def nodes(node):
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


def visit(client, path, **headers):
    """Open the page and return its questions to the database."""
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path, headers=headers).status_code == 200, path
    said = [query["sql"] for query in queries if query["sql"].lstrip().startswith(("SELECT", "WITH"))]
    assert len(queries) < QUERIES, (path, said)
    return said


def too_much(queries, **how):
    """The queries that read more than a click may, with what they read."""
    read_by = [(sql, {table: rows for table, rows in read(sql, **how).items() if rows > ROWS}) for sql in queries]
    return [(sql, rows) for sql, rows in read_by if rows]


@pytest.mark.timeout(600)
def test_lists_are_short_work(client, season):
    client.force_login(make_user("superadmin"))
    assert_api_is_short_work(client, season)
    slow = {}
    for path in [*lists(), *asked(ASKED, season), *pages(season)]:
        if found := too_much(visit(client, path)):
            slow[path] = found
    assert slow == {}

    # The door lists sum up so many nights that the database may choose to read the check-ins as a whole.
    for path in [*asked(SEARCHES, season), reverse("door-lists")]:
        assert (path, len(too_much(visit(client, path))) <= 1) == (path, True)

    # The control: what must not happen would be seen, also when an index alone is read as a whole.
    assert read("SELECT * FROM orders ORDER BY buyer_name LIMIT 50").keys() == {"orders"}
    assert read("SELECT count(*) FROM orders") == {"orders": ORDERS}

    assert is_heavy("SELECT * FROM orders ORDER BY buyer_name LIMIT 50")
    assert is_heavy("SELECT id FROM journal ORDER BY amount LIMIT 50")
    assert is_heavy("SELECT id FROM payments ORDER BY needs_review, payer_email LIMIT 50")
    assert seconds("SELECT pg_sleep(0.05)") > 0.05


def assert_api_is_short_work(client, tier):
    """In one season with the lists, whose making takes longest."""
    bearer_token, words = bearer(make_user("admin")), {"event": tier.event_id}
    for path in (path.format(**words) for path in (*PUBLIC, *OFFICE, *STATISTICS)):
        assert (path, [sql for sql in visit(client, path, **bearer_token) if is_heavy(sql)]) == (path, [])
    for path in FAR:
        assert (path, too_much(visit(client, path, **bearer_token), free=("Index Only Scan",))) == (path, [])
    for path in (f"/api/admin/orders?search={text}" for text in LOOKED_FOR):
        slow = [sql for sql in visit(client, path, **bearer_token) if seconds(sql) > SEARCH_SECONDS]
        assert (path, slow) == (path, [])
