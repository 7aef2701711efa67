"""The command, as cron and as the worker process run it."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from homeproductions import chores
from homeproductions.mail.backends import OUTGOING
from homeproductions.mail.management.commands import process_outbox
from homeproductions.mail.models import OutboxEmail
from orders.mails import queue_ticket
from tests.factories import make_order

WORKER = "outbox worker under test"


@pytest.fixture(autouse=True)
def no_chores(monkeypatch):
    monkeypatch.setattr(chores, "CHORES", {})


@pytest.mark.django_db
def test_once_says_in_one_line_what_it_did(make_note, capsys):
    make_note()
    make_note(recipient_email="nobody")

    call_command("process_outbox")

    assert capsys.readouterr().out == "sent 1, to be retried 0, failed 1\n"


@pytest.mark.django_db
def test_once_runs_every_chore_each_time():
    runs = []
    chores.register("count", timedelta(days=1), lambda: runs.append(1))

    call_command("process_outbox")
    call_command("process_outbox")

    assert len(runs) == 2


@pytest.mark.django_db
def test_failed_chore_is_named_to_cron_and_the_mail_goes_out_all_the_same(make_note, mailoutbox):
    make_note()
    chores.register("broken", timedelta(days=1), lambda: 1 / 0)

    with pytest.raises(CommandError, match="broken"):
        call_command("process_outbox")

    assert len(mailoutbox) == 1


@pytest.mark.django_db
def test_without_a_mail_server_mails_wait_untouched(make_note, settings, capsys):
    settings.EMAIL_BACKEND, settings.MAIL_TRANSPORT, settings.EMAIL_FOLDER = OUTGOING, "", ""
    make_note()

    call_command("process_outbox")

    expected = "mail is not configured (EMAIL_HOST, EMAIL_PROVIDER or EMAIL_FOLDER); 1 waiting\n"
    assert capsys.readouterr().out == expected
    assert OutboxEmail.objects.values_list("status", "attempts").get() == ("pending", 0)


@pytest.mark.parametrize("interval", ["0", "-1", "nan"])
def test_loop_refuses_to_spin(interval):
    with pytest.raises(CommandError, match="at least"):
        call_command("process_outbox", "--loop", "--interval", interval)


@pytest.mark.django_db(transaction=True)
def test_loop_goes_on_at_once_after_a_full_batch(make_note, mailoutbox):
    for _ in range(25):
        make_note()

    started = time.monotonic()
    process_outbox.run_forever(interval=600, keep_going=lambda: len(mailoutbox) < 25)

    assert time.monotonic() - started < 60
    assert len(mailoutbox) == 25


@pytest.mark.django_db(transaction=True)
def test_chores_run_although_the_mails_broke_the_database_connection(monkeypatch):
    def break_connection(keep_going):
        connection.ensure_connection()
        connection.connection.close()
        raise OperationalError

    counts = []
    monkeypatch.setattr(process_outbox, "process_batch", break_connection)
    chores.register("count", timedelta(days=1), lambda: counts.append(OutboxEmail.objects.count()))

    process_outbox.run_round(lambda: True)

    assert counts == [0]


# --- As a process --------------------------------------------------------------------------------------------


def database_url():
    """The test database, for another process."""
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()


def drop_connections(application):
    with connection.cursor() as cursor:
        sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = %s"
        cursor.execute(sql, [application])
        return cursor.fetchone()[0]


@pytest.fixture
def worker(tmp_path, transactional_db):
    """The loop as a process of its own that writes mails to `tmp_path / "mails"`."""
    environment = {**os.environ, "DATABASE_URL": database_url(), "EMAIL_FOLDER": str(tmp_path / "mails")}
    environment |= {
        "TICKET_KEY": django_settings.TICKET_KEY,
        "EMAIL_HOST": "",
        "EMAIL_PROVIDER": "",
        "PGAPPNAME": WORKER,
    }
    command = [sys.executable, "manage.py", "process_outbox", "--loop", "--interval", "0.2"]
    process = subprocess.Popen(
        command, cwd=django_settings.BASE_DIR, env=environment, stderr=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.wait()


def wait_for_mails(folder: Path, number: int):
    deadline = time.monotonic() + 30
    while len(list(folder.glob("*.eml"))) < number and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(list(folder.glob("*.eml"))) == number


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_loop_delivers_and_stops_cleanly_when_asked(worker, tmp_path, stop):
    queue_ticket(make_order(status="paid"))
    wait_for_mails(tmp_path / "mails", 1)

    worker.send_signal(stop)
    _, log = worker.communicate(timeout=15)

    assert worker.returncode == 0
    assert "outbox worker stopped" in log
    assert OutboxEmail.objects.get().status == "sent"


def test_loop_outlives_a_lost_database_connection(worker, tmp_path):
    queue_ticket(make_order(status="paid"))
    wait_for_mails(tmp_path / "mails", 1)

    assert drop_connections(WORKER) > 0
    queue_ticket(make_order(status="paid"))

    wait_for_mails(tmp_path / "mails", 2)
    assert worker.poll() is None


def test_database_that_is_away_is_one_sentence_for_cron(monkeypatch):
    def away(keep_going):
        raise OperationalError("couldn't get a connection")

    monkeypatch.setattr(process_outbox, "process_due", away)
    monkeypatch.setattr(process_outbox, "is_configured", lambda: True)

    with pytest.raises(CommandError, match="The database is away"):
        call_command("process_outbox")
