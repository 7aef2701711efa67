"""`manage.py` itself, as cron, a release and an operator see it."""

import secrets
import subprocess
import sys
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import Error, ProgrammingError
from psycopg import errors

import manage as entrance
from homeproductions.doctor import database
from tests.processes import ROOT, environment

NOBODY_THERE = "postgresql://hp:hunter2@127.0.0.1:1/hp"


def manage(*command, url=NOBODY_THERE):
    variables = environment(DATABASE_URL=url, EMAIL_FOLDER="")
    return subprocess.run(
        [sys.executable, "manage.py", *command], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "command",
    [["migrate", "--noinput"], ["ensure_admin"], ["expire_orders"], ["forget", "lucia@example.com"]],
    ids=lambda command: command[0],
)
def test_database_that_is_away_is_one_sentence(db, command):
    done = manage(*command)

    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith("The database is away, or in trouble: ")
    assert "hunter2" not in done.stderr


def test_where_it_was_is_shown_to_whoever_asks(db):
    done = manage("expire_orders", "--traceback")

    assert (done.returncode, "Traceback" in done.stderr, "holds.py" in done.stderr) == (1, True, True)


# --- Migrations that are missing ------------------------------------------------------------------------------------


@pytest.fixture
def empty(db):
    """The address of a database in which there is nothing."""
    ours = urlsplit(environment()["DATABASE_URL"])
    name = f"empty_{secrets.token_hex(4)}"
    with psycopg.connect(ours.geturl(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        yield ours._replace(path=f"/{name}").geturl()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


COMMANDS = [
    ["ensure_admin"],
    ["expire_orders"],
    ["process_outbox"],
    ["forget", "lucia@example.com"],
    ["export_person", "lucia@example.com"],
]


def test_missing_migrations_are_one_sentence(empty):
    for command in COMMANDS:
        done = manage(*command, url=empty)

        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert done.stderr.startswith("Migrations are missing ("), command
        assert "run `manage.py migrate`" in done.stderr


def test_a_missing_column_is_one_sentence(empty):
    assert manage("migrate", "accounts", "0001", "--verbosity", "0", url=empty).returncode == 0
    with psycopg.connect(empty, autocommit=True) as server:
        server.execute("ALTER TABLE users RENAME COLUMN role TO later")

    done = manage("ensure_admin", url=empty)

    assert (done.returncode, done.stderr.count("\n"), done.stderr[:22]) == (1, 1, "Migrations are missing")


def test_where_a_table_was_missed_is_shown_to_whoever_asks(empty):
    done = manage("expire_orders", "--traceback", url=empty)

    assert (done.returncode, "Traceback" in done.stderr, "holds.py" in done.stderr) == (1, True, True)


def test_a_table_that_no_migration_makes_is_our_own_fault(empty):
    """Applied to all appearances, as after a statement with a name that is wrong."""
    assert manage("migrate", "--fake", "--verbosity", "0", url=empty).returncode == 0

    done = manage("expire_orders", url=empty)

    assert (done.returncode, "Traceback" in done.stderr, 'relation "orders"' in done.stderr) == (1, True, True)


def failed(cause):
    error = ProgrammingError("it does not work")
    error.__cause__ = cause
    return error


@pytest.fixture
def behind(monkeypatch):
    """A database to which a migration is missing."""
    monkeypatch.setattr(database, "not_applied", lambda: ("orders.0099_late",))
    monkeypatch.setattr("django.db.connection.close", lambda: None)
    monkeypatch.setattr(sys, "argv", ["manage.py", "expire_orders"])


@pytest.mark.parametrize(
    ("cause", "count"),
    [
        (errors.UndefinedTable(), 1),
        (errors.UndefinedColumn(), 1),
        (errors.SyntaxError(), 0),
        (errors.UndefinedFunction(), 0),
        (errors.InsufficientPrivilege(), 0),
        (None, 0),
    ],
)
def test_only_what_a_migration_would_make_is_blamed_on_one(behind, cause, count):
    assert entrance.missing_migrations(failed(cause)) == count


def test_a_migration_that_asks_for_what_is_not_there_is_our_own_fault(behind, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["manage.py", "migrate", "--noinput"])

    assert entrance.missing_migrations(failed(errors.UndefinedTable())) == 0


def test_a_database_that_goes_away_meanwhile_hides_nothing(behind, monkeypatch):
    def away():
        raise Error("gone")

    monkeypatch.setattr(database, "not_applied", away)

    assert entrance.missing_migrations(failed(errors.UndefinedTable())) == 0
