"""`manage.py migrate` while tickets are sold: real processes, and a table that somebody reads for a long time."""

import time
from contextlib import contextmanager

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg.errors import QueryCanceled

from homeproductions.management.commands import migrate
from tests.factories import make_tier
from tests.processes import environment, program

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE = 90  # seconds
SOON = 20  # seconds, ten times what a migration may hold up anybody
PLAIN = "django.db.backends.postgresql"


@pytest.fixture(autouse=True)
def without_late_column():
    """What another test finds is the database of this release."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ticket_tiers DROP COLUMN IF EXISTS late")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'late'")


@contextmanager
def long_look_at_the_tiers():
    """A report, a dump, a forgotten session: it reads, and keeps the table from being changed."""
    with psycopg.connect(environment()["DATABASE_URL"]) as reader:
        reader.execute("SELECT FROM ticket_tiers")
        yield reader


@contextmanager
def migrating(log, **variables):
    with log.open("wb") as output:
        settings = {"DJANGO_SETTINGS_MODULE": "tests.deploy.late.settings", **variables}
        with program("manage.py", "migrate", "--noinput", log=output, **settings) as process:
            yield process


def wait_for(log, words):
    deadline = time.monotonic() + PATIENCE
    while words not in log.read_text():
        assert time.monotonic() < deadline, f"{words!r} never came: {log.read_text()}"
        time.sleep(0.1)


def guest_looks(*, patience):
    """What every sale does first. Raises QueryCanceled after so many seconds in the queue."""
    with psycopg.connect(environment()["DATABASE_URL"], autocommit=True) as guest:
        guest.execute(f"SET statement_timeout = '{patience}s'")
        return guest.execute("SELECT count(*) FROM ticket_tiers").fetchone()[0]


def has_late_column():
    with connection.cursor() as cursor:
        names = [column.name for column in connection.introspection.get_table_description(cursor, "ticket_tiers")]
    return "late" in names


def test_migration_lets_sales_pass_and_two_releases_at_once_migrate_once(tmp_path):
    make_tier()
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    with long_look_at_the_tiers() as report, migrating(first) as one:
        wait_for(first, "a table is in use; trying again")
        with migrating(second) as other:
            wait_for(second, "another migration of this database runs")
            seen = [guest_looks(patience=SOON) for _ in range(5)]
            assert (seen, one.poll(), other.poll()) == ([1] * 5, None, None)
            assert not has_late_column()
            report.rollback()
            assert (one.wait(PATIENCE), other.wait(PATIENCE)) == (0, 0)

    assert has_late_column()
    assert ("late_column... OK" in first.read_text(), "No migrations to apply" in second.read_text()) == (True, True)


def test_without_the_limit_everybody_waits_behind_the_migration(tmp_path):
    log = tmp_path / "log"
    with long_look_at_the_tiers(), migrating(log, LATE_ENGINE=PLAIN):
        wait_for(log, "Applying late.0001")
        assert somebody_is_held_up()


def somebody_is_held_up():
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            guest_looks(patience=SOON // 5)
        except QueryCanceled:
            return True
        time.sleep(0.2)
    return False


def test_migration_that_does_not_end_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(migrate, "TURN_PATIENCE", 0)
    with psycopg.connect(environment()["DATABASE_URL"]) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [migrate.TURN_LOCK])

        with pytest.raises(CommandError, match="Another migration of this database does not end"):
            call_command("migrate", verbosity=0)
        call_command("migrate", "--check", verbosity=0)  # looking waits for nobody
