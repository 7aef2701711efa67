"""The rehearsal that docs/operations.md asks for: the machine is lost, and only a dump and the keys are left."""

import re
import secrets
import subprocess
import sys

import psycopg
import pytest
import requests

from accounts.models import User
from homeproductions.embedded_postgres import throwaway
from orders.models import Order
from tests.factories import make_tier
from tests.processes import ROOT, environment, process_outbox, web_server
from tests.signing import PATH, paid_body, signed_headers
from tests.test_journey import PASSWORD, SECRET, decode_ticket, inbox, order_two_tickets, pay, sign_in

__all__ = ["inbox"]  # the fixture

KEYS = {name: secrets.token_urlsafe(48) for name in ("JWT_SECRET", "JWT_REFRESH_SECRET", "SECRET_KEY", "TICKET_KEY")}
STRUCTURE = """
    SELECT 'trigger', pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION SELECT 'function', pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION SELECT 'constraint', conrelid::regclass || conname || pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
    UNION SELECT 'index', indexdef FROM pg_indexes WHERE schemaname = 'public'
    """
FORBIDDEN = [
    "UPDATE orders SET total_price = 0",
    "UPDATE orders SET status = 'pending' WHERE status = 'paid'",
    "DELETE FROM audit_logs",
    "UPDATE ticket_tiers SET sold = quantity + 1",
]


class Evening:
    """What was sold before the dump, and after it."""

    def __init__(self, inbox):
        self.inbox = inbox
        self.tier = make_tier(quantity=50)
        User.objects.create_user("door@example.com", PASSWORD, name="Door", role="staff")

    def sell_a_ticket(self, address):
        """To the very mail, as a guest gets it. Returns what the QR code says."""
        self.order = order_two_tickets(address, self.tier)
        self.send_mails()
        pay(address, self.order)
        self.send_mails()
        return decode_ticket(self.inbox.mails[-1])

    def send_mails(self, **variables):
        before = len(self.inbox.mails)
        process_outbox(**self.inbox.variables, **KEYS, **variables)
        return self.inbox.mails[before:]


def manage(*command, **variables):
    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=environment(**KEYS, **variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def restore(dump, url):
    """As docs/operations.md does it."""
    command = ["pg_restore", "--no-owner", "--exit-on-error", f"--dbname={url}", str(dump)]
    subprocess.run(command, check=True)


def structure(url):
    """Sorted, and without the casts and brackets that PostgreSQL sets in other places when it reads its own writing."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(STRUCTURE).fetchall()
    return sorted((kind, re.sub(r"::(character varying|text)\b(\[\])?|[()]", "", text)) for kind, text in rows)


def scan(address, ticket):
    answer = sign_in(address).post(f"{address}/api/checkin", json={"qr_code": ticket}, timeout=30)
    return answer.status_code, answer.json().get("code")


@pytest.mark.real_bcrypt
@pytest.mark.timeout(600)
@pytest.mark.django_db(transaction=True)
def test_ticket_issued_before_admits_after_on_a_new_server(inbox, tmp_path, on_the_path):
    evening = Evening(inbox)
    with web_server(PAYMENT_WEBHOOK_SECRETS=SECRET, **KEYS) as address:
        first, second = evening.sell_a_ticket(address), evening.sell_a_ticket(address)
        order_two_tickets(address, evening.tier)  # whose mail still waits
        manage("backup", "--to", str(tmp_path))
        [sent_after_the_dump] = evening.send_mails()
        too_late = evening.sell_a_ticket(address)
        notice = paid_body(Order.objects.get(order_number=evening.order))
    [dump] = tmp_path.glob("*.dump")

    with throwaway() as cluster:
        cluster.create_database("restored")
        new = cluster.url("restored")
        restore(dump, new)
        assert structure(new) == structure(environment()["DATABASE_URL"])
        assert_nothing_can_be_broken(new)
        assert "No migrations to apply" in manage("migrate", DATABASE_URL=new)
        assert "WRONG" not in manage("doctor", "--only", "database", "migrations", "books", "mails", DATABASE_URL=new)

        with web_server(PAYMENT_WEBHOOK_SECRETS=SECRET, DATABASE_URL=new, **KEYS) as address:
            assert [scan(address, first) for _ in range(2)] == [(200, None), (400, "ALREADY_CHECKED_IN")]
            # What came after the dump is gone here; the provider says it again, and a person decides.
            assert scan(address, too_late)[0] == 404
            assert resend(address, notice)["processed"] is False
        assert payments_that_wait(new) == 1
        # A ticket is not mailed twice; what waited in the dump is, as the mail it was.
        again = [mail for mail in evening.send_mails(DATABASE_URL=new) if mail["To"] == "lucia@example.com"]
        assert [mail["Message-ID"] for mail in again] == [sent_after_the_dump["Message-ID"]]

        # Tickets that were mailed outlive even the keys: only links and the staff's sessions do not.
        other = {name: secrets.token_urlsafe(48) for name in KEYS}
        with web_server(DATABASE_URL=new, **other) as address:
            assert scan(address, second) == (200, None)


def assert_nothing_can_be_broken(url):
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in FORBIDDEN:
            with pytest.raises(psycopg.Error):
                connection.execute(statement)


def resend(address, notice):
    answer = requests.post(address + PATH, notice, headers=signed_headers(SECRET, notice), timeout=30)
    assert answer.status_code == 200
    return answer.json()


def payments_that_wait(url):
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT count(*) FROM payments WHERE needs_review <> ''").fetchone()[0]
