"""Behind PgBouncer in transaction mode each transaction may get another connection: nothing may rely on having the same
one, and the house goes on when PostgreSQL comes back."""

import secrets
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial

import psycopg
import pytest
import requests
from django.conf import settings
from django.db import connection
from django.test import Client

from orders.models import CheckIn, Order
from tests.deploy import postgresql_programs
from tests.factories import bearer, make_order, make_tier, make_user
from tests.lengths import FULL, length
from tests.processes import ROOT, environment
from tests.scale.house import Caller, at_once, open_house
from tests.scale.programs import place_of_test_database, pooler
from tests.scale.relay import relay
from tests.signing import PATH, new_secret, paid_body, signed_headers

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = new_secret()
GUESTS, LISTS, ROUNDS = 8, 4, length(3, 20)
IN = length(60, 2500)  # guests on the door list: at full length it is read in two pieces
LONG = 60  # seconds


# --- An evening on two connections --------------------------------------------------------------------------------


class Evening:
    """What goes on at the same time: guests who buy and come in, and the office with its lists."""

    def __init__(self, house):
        self.house = house
        self.tier = make_tier(quantity=10_000)
        self.doors = bearer(make_user("staff"))
        self.listed = make_tier(quantity=IN)
        for _ in range(IN):
            make_order(self.listed, "paid")
        client = Client()
        client.force_login(make_user("superadmin"))
        self.cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"

    def guest(self):
        """From the order to the door; the last words of each answer."""
        caller, front = Caller(), self.house.front
        names = {"eventId": str(self.tier.event_id), "tierId": str(self.tier.pk)}
        answer = caller.post(f"{front}/api/orders", {**names, "buyerName": "Ana", "buyerEmail": "ana@example.com"})
        if answer.status_code != 201:
            return [answer.status_code]
        number = answer.json()["order"]["orderNumber"]
        body = paid_body(Order.objects.get(order_number=number))
        connection.close()
        paid = requests.post(front + PATH, data=body, headers=signed_headers(SECRET, body), timeout=LONG)
        looked = caller.get(f"{front}/api/orders/{number}")
        scans = [Caller(**self.doors).post(f"{front}/api/checkin", {"orderNumber": number}) for _ in range(2)]
        return [201, paid.status_code, looked.status_code, *(scan.status_code for scan in scans)]

    def office(self):
        """The door list as a file, and two pages; the file's lines instead of its status, if it came to its end."""
        caller = Caller(Cookie=self.cookie)
        path = f"{self.house.front}/admin"
        try:
            file = caller.get(f"{path}/door/{self.listed.event_id}/csv/")
            lines = len(file.content.splitlines()) if file.ok else file.status_code
        except requests.RequestException:  # broken off in the middle
            lines = 0
        return [lines, caller.get(f"{path}/").status_code, caller.get(f"{path}/orders/order/").status_code]

    def outcome(self, *more):
        """Everything at once, several times over. What `more` returns is among the answers."""
        jobs = [self.guest] * GUESTS + [self.office] * LISTS + [*more]
        return Counter(tuple(answers) for _ in range(ROUNDS) for answers in at_once(jobs))


FINE = {(201, 200, 200, 200, 400): GUESTS * ROUNDS, (IN + 1, 200, 200): LISTS * ROUNDS}


def evening(folder, application="homeproductions.wsgi", **more):
    with open_house(folder, application, connections=2, PAYMENT_WEBHOOK_SECRETS=SECRET, **more) as house:
        return Evening(house).outcome()


def test_an_evening_shares_two_connections(folder):
    assert evening(folder) == FINE

    assert CheckIn.objects.count() == GUESTS * ROUNDS


def test_with_prepared_statements_it_fails(folder):
    assert any(500 in answers for answers in evening(folder, DATABASE_PREPARE="1"))


def test_with_cursors_that_outlive_a_transaction_it_fails(folder):
    outcome = evening(folder, "tests.scale.cursors_wsgi")

    assert outcome[IN + 1, 200, 200] < LISTS * ROUNDS
    assert outcome[201, 200, 200, 200, 400] == GUESTS * ROUNDS, "only the list is read so"


# --- The commands -------------------------------------------------------------------------------------------------

# What a session leaves to whoever is lent its connection next. Of its settings PgBouncer keeps these for each client.
KEPT = ["application_name", "client_encoding", "DateStyle", "standard_conforming_strings", "TimeZone"]
LEFT = """
SELECT name FROM pg_settings WHERE source = 'session' AND name <> ALL (%s)
UNION ALL SELECT 'lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
UNION ALL SELECT 'listens' FROM pg_listening_channels()
UNION ALL SELECT 'prepared statement' FROM pg_prepared_statements
UNION ALL SELECT 'cursor' FROM pg_cursors WHERE is_holdable
UNION ALL SELECT 'table' FROM pg_class WHERE relnamespace = pg_my_temp_schema()
"""


def left_behind(url, connections):
    """On all connections of the pool: each is lent out for a transaction until the last was looked at."""
    with ExitStack() as stack:
        lent = [stack.enter_context(psycopg.connect(url, prepare_threshold=None)) for _ in range(connections)]
        return {row for each in lent for (row,) in each.execute(LEFT, [KEPT]).fetchall()}


def manage(*words, **variables):
    """Its exit code and all that it says."""
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(command, cwd=ROOT, env=environment(**variables), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def database():
    """The tests' own; at full length an empty one, for `migrate` to fill."""
    if not FULL:
        yield str(connection.settings_dict["NAME"])
        return
    name = f"scale_{secrets.token_hex(4)}"
    with psycopg.connect(place_of_test_database(dbname="postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        yield name
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


SUBSCRIBE = "from newsletter.models import Subscriber; Subscriber.objects.create(email='lucia@example.com')"
COMMANDS = (
    ["migrate", "--verbosity", "0"],
    ["ensure_admin"],
    ["process_outbox"],
    ["expire_orders"],
    ["shell", "--verbosity", "0", "--command", SUBSCRIBE],  # somebody for the next two
    ["export_person", "lucia@example.com"],
    ["forget", "lucia@example.com", "--yes"],
    ["doctor", "--only", "database", "migrations", "clock", "worker", "books", "mails", "money"],
)


def test_the_commands_work_behind_it_and_leave_nothing_in_its_connections(folder, database):
    place = place_of_test_database(dbname=database)
    # Two, for `migrate` holds its turn on one of them.
    with pooler(folder, place=place, connections=2) as url:
        variables = {"DATABASE_URL": url, "EMAIL_FOLDER": str(folder / "mails"), "REDIS_URL": ""}
        variables |= {"DEFAULT_ADMIN_EMAIL": "ana@example.com", "DEFAULT_ADMIN_PASSWORD": "correct horse 12"}
        for command in COMMANDS:
            code, said = manage(*command, DATABASE_PREPARE="", **variables)
            assert (code, left_behind(url, 2)) == (0, set()), f"{command}: {said}"


CARELESS = {
    "search_path": "SELECT set_config('search_path', '', false)",  # as pg_dump does
    "lock": "SELECT pg_advisory_lock(1)",
    "listens": "LISTEN news",
    "prepared statement": "PREPARE again AS SELECT 1",
    "cursor": "DECLARE page CURSOR WITH HOLD FOR SELECT 1",
    "table": "CREATE TEMPORARY TABLE notes ()",
}


def test_whatever_a_session_leaves_is_seen(folder):
    with pooler(folder, connections=2) as url:
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as session:
            for statement in CARELESS.values():
                session.execute(statement)

        assert left_behind(url, 2) == {*CARELESS}


def dumped(folder, url, **variables):
    """What `manage.py backup` says to whoever has this DATABASE_URL, and the dumps that there are then."""
    target = folder / "dumps"
    target.mkdir(exist_ok=True)
    path = postgresql_programs.path()
    code, said = manage("backup", "--to", str(target), DATABASE_URL=url, DATABASE_PREPARE="", PATH=path, **variables)
    return code, said, len(list(target.iterdir()))


def test_backup_past_it_disturbs_nobody(folder):
    with open_house(folder, connections=2, PAYMENT_WEBHOOK_SECRETS=SECRET) as house:
        pooled, direct = house.variables["DATABASE_URL"], environment()["DATABASE_URL"]
        jobs = [lambda: dumped(folder, pooled, BACKUP_DATABASE_URL=direct)[:1]]

        assert Evening(house).outcome(*jobs) == {**FINE, (0,): ROUNDS}
        assert left_behind(pooled, 2) == set()
    assert len(list((folder / "dumps").iterdir())) > 0


def test_backup_through_it_is_refused_and_disturbs_nobody(folder):
    with open_house(folder, connections=2, PAYMENT_WEBHOOK_SECRETS=SECRET) as house:
        pooled = house.variables["DATABASE_URL"]
        for named, more in (("DATABASE_URL", {}), ("BACKUP_DATABASE_URL", {"BACKUP_DATABASE_URL": pooled})):
            code, said, dumps = dumped(folder, pooled, **more)
            assert (code, dumps) == (1, 0)
            assert said.startswith(f"CommandError: {named} leads through a pooler"), said

        assert Evening(house).outcome() == FINE
        assert left_behind(pooled, 2) == set()


def test_dumps_through_it_spoil_the_sale(folder):
    """Which is why they are refused. Not each does: one whose transaction gets the very connection of its settings
    takes it along when it ends, so there are many."""
    with open_house(folder, connections=2, PAYMENT_WEBHOOK_SECRETS=SECRET) as house:
        dump = [f"{postgresql_programs.folder()}/pg_dump", "--schema-only", f"--file={folder}/by_hand.dump"]
        dump.append(house.variables["DATABASE_URL"])

        def by_hand():
            return [subprocess.run(dump, check=False).returncode for _ in range(8)]

        assert any(500 in answers for answers in Evening(house).outcome(by_hand))


# --- PostgreSQL is away -------------------------------------------------------------------------------------------


def orders_at_once(house, tier):
    body = {"eventId": str(tier.event_id), "tierId": str(tier.pk), "buyerName": "Ana", "buyerEmail": "a@example.com"}
    answers = at_once([partial(Caller().post, f"{house.front}/api/orders", body)] * 6)
    return [(answer.status_code, answer.json().get("code"), "Retry-After" in answer.headers) for answer in answers]


def test_while_postgresql_is_away_everybody_is_told_so_and_then_it_goes_on(folder):
    tier = make_tier()
    fine, told = (201, None, False), (503, "UNAVAILABLE", True)
    with relay() as line, open_house(folder, place=line.place) as house:
        assert orders_at_once(house, tier) == [fine] * 6

        line.cut()
        answers = [*orders_at_once(house, tier), *orders_at_once(house, tier)]
        line.mend()

        assert answers == [told] * 12
        deadline = time.monotonic() + LONG
        while orders_at_once(house, tier) != [fine] * 6:
            assert time.monotonic() < deadline
