"""A deploy in the middle of a sale: the newest migrations come while the release before them serves, which then goes
on serving beside the new one."""

import secrets
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import psycopg
import pytest
import requests
from django.utils import timezone

from bench.season import new_database
from tests.processes import ROOT, environment, program, wait_until

from . import after, releases
from .cluster import copy
from .evening import Evening
from .house import House

ADMIN = {"DEFAULT_ADMIN_EMAIL": "boss@example.com", "DEFAULT_ADMIN_PASSWORD": secrets.token_urlsafe(12)}
WAITS_FOR_A_LOCK = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ILIKE ANY (ARRAY['alter%%', 'create%%'])
"""
TABLES = "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables WHERE schemaname = 'public'"


@contextmanager
def deploy(house, before, now):
    """A sale at the old release; its database is migrated; a sale at both. What guests were told."""
    with ExitStack() as programs:
        old = programs.enter_context(house.web(folder=before))
        programs.enter_context(house.worker(folder=before))
        if not house.event:
            plan_a_night(house, old.address)
        evening = Evening(house, old.address, patience=15)
        with evening.goes_on():
            evening.more(5)
            migrate_while_somebody_reads(house, evening, now)
            evening.more(10)
            new = programs.enter_context(house.web(folder=now))
            programs.enter_context(house.worker(folder=now))
            evening.addresses.append(new.address)
            evening.more(10)
        yield evening


def migrate_while_somebody_reads(house, evening, folder):
    """The new release's migrations, while a long export (say) holds all tables, as a reader does."""
    with (house.logs / "migrate.log").open("ab") as log, psycopg.connect(house.url) as reader:
        reader.execute(f"LOCK TABLE {house.value(TABLES)} IN ACCESS SHARE MODE")
        with program("manage.py", "migrate", log=log, folder=folder, **house.variables()) as migration:
            wait_until(
                lambda: house.value(WAITS_FOR_A_LOCK) or migration.poll() is not None,
                "the migration to meet the reader",
            )
            evening.more(5)
            reader.rollback()
            assert migration.wait(120) == 0, house.said()
            evening.more(5)


def plan_a_night(house, address):
    """Over the API, which all releases have."""
    login = {"email": ADMIN["DEFAULT_ADMIN_EMAIL"], "password": ADMIN["DEFAULT_ADMIN_PASSWORD"]}
    token = requests.post(f"{address}/api/auth/login", json=login, timeout=60).json()["accessToken"]
    house.staff = {"Authorization": f"Bearer {token}"}
    night = {
        "name": "Night",
        "location": "Here",
        "date": f"{timezone.localdate() + timedelta(days=30):%Y-%m-%d}",
        "status": "active",
        "tiers": [{"name": "General", "price": 25.5, "quantity": 1000}],
    }
    made = requests.post(f"{address}/api/admin/events", json=night, headers=house.staff, timeout=60).json()
    house.event = made["event"]["id"]
    house.tier = str(house.value("SELECT id FROM ticket_tiers"))


@pytest.fixture
def empty_house(db_server, tmp_path, post_office):
    """A house whose database knows nothing yet."""
    with new_database(db_server) as url:
        yield House(url=url, logs=tmp_path, event="", tier="", staff={}, extra={**post_office.variables, **ADMIN})


@pytest.fixture
def db_server(transactional_db):
    return environment()["DATABASE_URL"]


def test_the_release_before_goes_on_selling(empty_house, post_office, tmp_path):
    house, before = empty_house, releases.before_the_newest_migration(tmp_path / "before")
    for command in ("migrate", "ensure_admin"):
        done = house.manage(command, folder=before)
        assert done.returncode == 0, done.stderr
    assert house.manage("migrate", "--check").returncode == 1  # there is something to migrate

    with deploy(house, before, ROOT) as evening:
        after.settle(house)

        assert after.wrong(house, evening, post_office) == []


def test_a_column_that_the_release_before_cannot_fill_is_found(house, db_server, tmp_path):
    """The control."""
    now = releases.with_a_blind_column(tmp_path / "now")
    with new_database(db_server) as url:
        copy(house, url)
        with house.web(workers=1) as old:
            evening = Evening(house, old.address, patience=2)
            with evening.goes_on():
                evening.more(3)
                assert evening.unclean == []
                migrate_while_somebody_reads(house, evening, now)

    assert any(" 500 " in line for line in evening.unclean)


def test_a_migration_without_our_patience_stops_the_sale(house, db_server):
    """The other control: it waits for a reader, and all guests wait behind it."""
    with new_database(db_server) as url:
        copy(house, url)
        with house.web(workers=1) as server:
            evening = Evening(house, server.address)
            evening.guest()
            with psycopg.connect(url) as reader, psycopg.connect(url) as migration:
                reader.execute("SELECT FROM ticket_tiers")
                migration.execute("SET lock_timeout = '3s'")  # so that the test ends
                with evening.goes_on():
                    evening.more(3)
                    before = evening.served
                    with pytest.raises(psycopg.errors.LockNotAvailable):
                        migration.execute("ALTER TABLE ticket_tiers ADD blind integer")
                    assert evening.served - before <= 8  # who was just being served
