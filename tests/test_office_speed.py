"""Lists of the office with 100 000 orders behind them: few queries, and none that counts or reads a whole table."""

import json

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.factories import make_event, make_tier, make_user

ORDERS = 100_000
QUERIES = 15
# Tables that grow with what is sold. Reading one as a whole for a page of fifty rows is what must not happen.
GROWING = {"orders", "payments", "email_outbox", "journal", "audit_logs", "checkins", "webhook_deliveries"}

# The triggers would look at each row; here they only cost time.
FILL = """
INSERT INTO orders (id, order_number, event_id, tier_id, buyer_name, buyer_email, quantity, unit_price, total_price,
                    currency, status, qr_code_hash, code_version, is_test, created_at, updated_at)
SELECT gen_random_uuid(), 'HP26-' || n, %(event)s, %(tier)s, 'Guest ' || n, 'guest' || n || '@example.com', 1, 10, 10,
       'USD', (ARRAY['pending', 'paid', 'paid', 'cancelled'])[1 + n %% 4], md5(n::text), 1, false,
       now() - n * interval '1 minute', now()
  FROM generate_series(1, %(orders)s) n;

INSERT INTO journal (id, kind, order_id, event_id, tier_id, seats, amount, currency, created_at)
SELECT gen_random_uuid(), kind, id, event_id, tier_id, 0, 10, 'USD', created_at
  FROM orders, (VALUES ('reserved'), ('sale')) AS kinds (kind);

INSERT INTO payments (id, order_id, kind, provider, reference, amount_minor, currency, payer_email, needs_review,
                      outcome, outcome_note, created_at)
SELECT gen_random_uuid(), id, 'charge', 'webhook', order_number, 1000, 'USD', buyer_email, '', '', '', created_at
  FROM orders WHERE status = 'paid';

INSERT INTO email_outbox (id, order_id, email_type, recipient_email, subject, status, attempts, next_attempt_at,
                          context, created_at)
SELECT gen_random_uuid(), id, kind, buyer_email, 'A mail', CASE kind WHEN 'refund' THEN 'failed' ELSE 'sent' END, 1,
       created_at, '{}', created_at
  FROM orders, (VALUES ('ticket'), ('confirmation'), ('refund')) AS kinds (kind)
 WHERE kind <> 'refund' OR order_number LIKE '%%000';

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
)


@pytest.fixture
def season(transactional_db):
    tier = make_tier(make_event(), quantity=10**6)
    with connection.cursor() as cursor:
        for table in ("orders", "journal"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in FILL.strip().rstrip(";").split(";"):
            cursor.execute(statement, {"event": tier.event_id, "tier": tier.pk, "orders": ORDERS})
            # This connection has seen the tables empty; without new figures it would look for each order in all.
            cursor.execute("ANALYZE")
        for table in ("orders", "journal"):
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        # As the server does by itself sooner or later; before, no index can answer alone.
        cursor.execute("VACUUM ANALYZE")
    return tier


def lists():
    return [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in admin.site._registry
    ]


def scans(sql):
    """The growing tables that this query reads as a whole."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
        [plan] = cursor.fetchone()
    return {node["Relation Name"] for node in walk((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])}


def walk(node):
    """The scans of whole big tables below a node; one that a LIMIT stops early is none."""
    is_scan = node["Node Type"] == "Seq Scan" and node["Plan Rows"] > ORDERS / 10
    if is_scan and node["Relation Name"] in GROWING:
        yield node
    for child in node.get("Plans", ()):
        if node["Node Type"] != "Limit" or node["Total Cost"] > child["Total Cost"] / 5:
            yield from walk(child)


@pytest.mark.timeout(600)
def test_lists_are_short_work(client, season):
    client.force_login(make_user("superadmin"))
    for path in [*lists(), *(reverse(f"admin:{name}_changelist") + query for name, query in ASKED)]:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200, path
        said = [query["sql"] for query in queries if query["sql"].lstrip().startswith(("SELECT", "WITH"))]
        assert len(queries) < QUERIES, (path, said)
        for sql in said:
            assert not scans(sql), (path, sql)

    # The control: what must not happen would be seen.
    with CaptureQueriesContext(connection) as queries:
        list(season.orders.order_by("buyer_name")[:50])
    assert scans(queries[0]["sql"]) == {"orders"}
