"""Indexes of large tables come without holding up a sale, also when a release was interrupted in the middle."""

import threading
import time

import psycopg
import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddConstraint, AddIndex, CreateModel

from homeproductions.postgresql.schema import PatientSchemaEditor
from tests.processes import environment

OURS = {"accounts", "audit", "events", "gallery", "homeproductions", "newsletter", "orders"}
# They came before anybody sold with this system: on tables that are empty.
BEFORE_THE_FIRST_SALE = {
    "audit.0002_entity_indexes",
    "newsletter.0002_source_and_list",
    "orders.0002_money",
    "orders.0004_late_orders_and_failed_refunds",
    "orders.0005_refunds_due",
    "orders.0006_figures_by_index",
    "orders.0007_office_orders",
    "orders.0008_called_off_nights",
    "orders.0009_filters_by_index",
    "orders.0010_told_early",
    "orders.0011_figures_by_tier",
}
BUILT = """
    SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relname IN ('delivery_of_order', 'delivery_unseen', 'delivery_of_nobody')"""
NOTICE = """
    INSERT INTO webhook_deliveries (id, provider, event_id, body, headers, status, reason, attempts, received_at)
    VALUES (gen_random_uuid(), 'webhook', %s, '', '{}', 'applied', '', 1, now())"""
SOON = 5  # seconds
PATIENCE = 60


def reads_a_whole_table(migration):
    """Under a lock for which everybody else waits: it looks at all rows of a table that was there before."""
    new = {operation.name.lower() for operation in migration.operations if isinstance(operation, CreateModel)}
    plain = [each for each in migration.operations if type(each) in (AddIndex, AddConstraint)]
    return any(operation.model_name.lower() not in new for operation in plain)


def test_no_migration_reads_a_whole_table_while_others_wait_for_it():
    ours = [migration for migration in MigrationLoader(None).disk_migrations.values() if migration.app_label in OURS]

    assert {str(each) for each in ours if reads_a_whole_table(each)} == BEFORE_THE_FIRST_SALE


def test_a_migration_that_builds_concurrently_does_nothing_else():
    """Nothing of it is undone when it breaks off, so all of it must be fit to be run again."""
    for migration in MigrationLoader(None).disk_migrations.values():
        if not migration.atomic and migration.app_label in OURS:
            assert {type(operation) for operation in migration.operations} == {AddIndexConcurrently}


@pytest.fixture
def before_the_indexes(transactional_db):
    call_command("migrate", "orders", "0013", verbosity=0)
    assert indexes() == {}
    yield
    call_command("migrate", verbosity=0)


def indexes():
    with connection.cursor() as cursor:
        cursor.execute(BUILT)
        return dict(cursor.fetchall())


READY = {"delivery_of_order": True, "delivery_unseen": True, "delivery_of_nobody": True}


def test_what_was_interrupted_is_built_when_it_is_run_again(before_the_indexes, monkeypatch):
    add = PatientSchemaEditor.add_index

    def add_or_break_off(editor, model, index, **options):
        if index.name == "delivery_of_nobody":
            raise KeyboardInterrupt
        add(editor, model, index, **options)

    with monkeypatch.context() as patch:
        patch.setattr(PatientSchemaEditor, "add_index", add_or_break_off)
        with pytest.raises(KeyboardInterrupt):
            call_command("migrate", verbosity=0)
    leave_half_an_index("delivery_of_nobody")
    assert indexes() == READY | {"delivery_of_nobody": False}

    call_command("migrate", verbosity=0)

    assert indexes() == READY


def leave_half_an_index(name):
    """As a process does that dies while it builds one: here, because two rows are the same."""
    with psycopg.connect(environment()["DATABASE_URL"], autocommit=True) as other:
        for number in range(2):
            other.execute(NOTICE, [str(number)])
        with pytest.raises(psycopg.errors.UniqueViolation):
            other.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON webhook_deliveries (provider)")


def test_notices_come_while_their_indexes_are_built(before_the_indexes):
    """It waits for somebody's transaction here as long as a large table takes; nobody waits behind it."""
    with psycopg.connect(environment()["DATABASE_URL"]) as writer:
        writer.execute(NOTICE, ["first"])
        migration = threading.Thread(target=migrate)
        migration.start()
        wait_for_the_building()
        with psycopg.connect(environment()["DATABASE_URL"], autocommit=True) as provider:
            provider.execute(f"SET statement_timeout = '{SOON}s'")
            for number in range(5):
                provider.execute(NOTICE, [f"later {number}"])
        time.sleep(SOON)  # more than LOCK_TIMEOUT
        assert migration.is_alive()
        writer.commit()
    migration.join(PATIENCE)

    assert indexes() == READY


def migrate():
    try:
        call_command("migrate", verbosity=0)
    finally:
        connection.close()


def wait_for_the_building():
    looking = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE %s AND wait_event = 'virtualxid'"
    deadline = time.monotonic() + PATIENCE
    with psycopg.connect(environment()["DATABASE_URL"], autocommit=True) as other:
        while not other.execute(looking, ["CREATE INDEX CONCURRENTLY%"]).fetchone()[0]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
