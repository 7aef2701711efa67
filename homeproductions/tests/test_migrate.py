"""`manage.py migrate` on a database that is in use."""

import pytest
from django.core.management import CommandError, call_command
from django.core.management.commands import migrate as django_migrate
from django.db import OperationalError, connection
from psycopg.errors import DeadlockDetected, DiskFull, LockNotAvailable

from homeproductions.management.commands import migrate


def lock_timeout():
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_change_of_a_table_waits_moments_for_its_lock():
    before = lock_timeout()

    with connection.schema_editor():
        assert lock_timeout() == "2s"
    assert lock_timeout() == before == "0"


@pytest.mark.django_db(transaction=True)
def test_change_outside_a_transaction_blocks_nobody_and_may_wait():
    with connection.schema_editor(atomic=False):
        assert lock_timeout() == "0"


@pytest.fixture
def failures(monkeypatch, db):
    """What happens at each try to migrate; then it succeeds."""
    waiting = []

    def handle(self, *arguments, **options):
        if waiting:
            raise OperationalError("no") from waiting.pop(0)

    monkeypatch.setattr(django_migrate.Command, "handle", handle)
    monkeypatch.setattr(migrate.time, "sleep", lambda seconds: None)
    return waiting


def test_table_in_use_is_tried_again(failures, capsys):
    failures += [LockNotAvailable(), DeadlockDetected()]

    call_command("migrate")

    assert (failures, capsys.readouterr().err.count("trying again")) == ([], 2)


def test_table_always_in_use_is_said(failures, capsys):
    failures += [LockNotAvailable()] * 100

    with pytest.raises(CommandError, match="pg_stat_activity"):
        call_command("migrate")
    assert len(failures) == 100 - migrate.TRIES


def test_other_trouble_is_not_tried_again(failures):
    failures += [DiskFull(), LockNotAvailable()]

    with pytest.raises(OperationalError):
        call_command("migrate")
    assert len(failures) == 1
