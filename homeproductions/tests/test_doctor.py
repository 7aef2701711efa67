"""Each check of `manage.py doctor`, once well and once with what it is there to find."""

import json
import os
import secrets
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, ProgrammingError
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from events.models import TicketTier
from homeproductions import checks
from homeproductions.doctor import database, house, outside
from homeproductions.doctor.checkup import NAMES, examine
from homeproductions.doctor.finding import Verdict, age, ok
from homeproductions.mail import heartbeat
from homeproductions.mail.models import OutboxEmail, WorkerHeartbeat
from orders.models import Payment
from tests.factories import make_order

LONG_AGO = timedelta(days=3)
SECRET = "whsec_" + "QUJD" * 8


@pytest.fixture
def well(db, settings, monkeypatch, tmp_path):
    """A house in which nothing needs anybody."""
    for name in checks.KEYS:
        setattr(settings, name, secrets.token_urlsafe(48))
    settings.KEYS_ARE_DERIVED = False
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "https://tickets.example.org", ["tickets.example.org"]
    settings.TRUSTED_PROXIES, settings.RATE_LIMIT_ENABLED = ["100.64.0.0/10"], True
    settings.PAYMENT_WEBHOOK_SECRETS = [SECRET]
    settings.MAIL_TRANSPORT = "homeproductions.mail.backends.Smtp"
    settings.BACKUP_PATH = str(tmp_path)
    (tmp_path / "night.dump").write_bytes(b"PGDMP")
    monkeypatch.setattr("homeproductions.mail.trial.sign_in", lambda: "The mail server answers.")
    heartbeat.beat()


def verdicts():
    return {name: str(finding.verdict) for name, finding in examine().items()}


def test_all_is_well(well, capsys):
    call_command("doctor")

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [["ok", name] for name in NAMES]
    assert lines[-1] == "Nothing needs a person."


def test_cron_hears_nothing_when_all_is_well(well, capsys):
    call_command("doctor", verbosity=0)

    assert capsys.readouterr() == ("", "")


def test_cron_hears_only_what_is_wrong(well, capsys):
    WorkerHeartbeat.objects.all().delete()

    with pytest.raises(CommandError, match=r"^1 thing needs a person: worker$") as stop:
        call_command("doctor", verbosity=0)

    first, hint = capsys.readouterr().out.splitlines()
    assert first.split()[:2] == ["WRONG", "worker"]
    assert "process_outbox" in hint
    assert stop.value.returncode == 1


def test_json_has_all_checks_in_full(well, capsys):
    make_order(quantity=2)
    TicketTier.objects.update(sold=5)

    with pytest.raises(CommandError):
        call_command("doctor", as_json=True)

    answer = json.loads(capsys.readouterr().out)
    assert (answer["status"], [check["name"] for check in answer["checks"]]) == ("needs_a_person", list(NAMES))
    [books] = [check for check in answer["checks"] if check["name"] == "books"]
    assert (books["verdict"], len(books["details"])) == ("wrong", 1)
    assert "the journal says 2" in books["details"][0]


def test_notes_alarm_nobody(well, settings, capsys):
    settings.BACKUP_PATH, settings.KEYS_ARE_DERIVED = "", True

    call_command("doctor")

    assert {name for name, verdict in verdicts().items() if verdict == "note"} == {"backups", "settings"}


# --- What each one finds --------------------------------------------------------------------------------------


def only_wrong():
    return [name for name, verdict in verdicts().items() if verdict == "wrong"]


def test_migration_that_is_not_applied(well):
    MigrationRecorder.Migration.objects.filter(app="mail", name="0005_worker_heartbeat").delete()

    finding = database.migrations()

    assert (finding.message, finding.details) == ("1 migration not applied.", ("mail.0005_worker_heartbeat",))
    assert only_wrong() == ["migrations"]


@pytest.mark.parametrize(
    ("skew", "verdict"), [(0, "ok"), (4, "ok"), (-4, "ok"), (6, "wrong"), (-6, "wrong"), (3600, "wrong")]
)
def test_clock_may_differ_by_five_seconds(well, monkeypatch, skew, verdict):
    theirs = timezone.now().timestamp() + skew
    monkeypatch.setattr(database, "run", lambda *query: [theirs])

    assert database.clock().verdict == verdict


def test_old_postgresql(well, monkeypatch):
    monkeypatch.setattr(database, "run", lambda *query: ["13.9 (Debian 13.9-1)"])

    assert database.database().message == "PostgreSQL 13.9 (Debian 13.9-1) is too old."


@pytest.mark.parametrize(
    ("back", "message"),
    [(None, "No worker has ever run"), (timedelta(hours=3), "No worker was alive for 3 hours.")],
    ids=str,
)
def test_silent_worker(well, back, message):
    if back:
        WorkerHeartbeat.objects.update(beat_at=timezone.now() - back)
    else:
        WorkerHeartbeat.objects.all().delete()

    assert house.worker().message.startswith(message)
    assert only_wrong() == ["worker"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"status": "failed"}, "1 mail failed."),
        ({"status": "pending", "next_attempt_at": timezone.now() - LONG_AGO}, "1 mail stuck."),
        ({"status": "processing", "lease_until": timezone.now() - LONG_AGO}, "1 mail stuck."),
    ],
    ids=["failed", "due", "leased"],
)
def test_mail_that_needs_somebody(well, fields, message):
    OutboxEmail.objects.create(recipient_email="lucia@example.com", subject="x", **fields)

    assert house.mails().message == message
    assert only_wrong() == ["mails"]


def test_mail_on_its_way_or_closed_needs_nobody(well):
    for fields in ({"status": "pending"}, {"status": "failed", "closed_at": timezone.now()}):
        OutboxEmail.objects.create(recipient_email="lucia@example.com", subject="x", **fields)

    assert house.mails().message == "No mail failed; the oldest unsent one is 0 seconds old."


def test_money_that_waits(well):
    Payment.objects.create(
        provider="standard",
        reference="p1",
        kind="charge",
        needs_review="unknown_order",
        payer_email="lucia@example.com",
    )

    finding = house.money()

    assert (finding.message, finding.details) == ("1 payment to look at.", ("1: no order matches, for 0 seconds",))
    assert only_wrong() == ["money"]


@pytest.mark.parametrize(
    ("settings_changed", "verdict"),
    [
        ({"PAYMENT_WEBHOOK_SECRETS": []}, "note"),
        ({"STRIPE_SECRET_KEY": "sk_live_x"}, "wrong"),
        ({"STRIPE_SECRET_KEY": "sk_live_x", "STRIPE_WEBHOOK_SECRETS": [SECRET]}, "ok"),
        ({"RECURRENTE_SECRET_KEY": "x"}, "ok"),
        ({"RECURRENTE_SECRET_KEY": "x", "PAYMENT_WEBHOOK_SECRETS": []}, "wrong"),
    ],
    ids=str,
)
def test_webhook_secrets(well, settings, settings_changed, verdict):
    for name, value in settings_changed.items():
        setattr(settings, name, value)

    assert outside.webhook().verdict == verdict


def test_mail_that_goes_nowhere(well, settings):
    settings.MAIL_TRANSPORT, settings.EMAIL_FOLDER = "", ""
    assert only_wrong() == ["mail"]

    settings.EMAIL_FOLDER = "mails"
    assert outside.mail().verdict == Verdict.NOTE


@pytest.mark.parametrize(
    ("make", "verdict", "message"),
    [
        (lambda folder: None, "wrong", "There is no backup"),
        (lambda folder: backup(folder / "old.dump", timedelta(hours=27)), "wrong", "The newest backup is 27 hours old"),
        (lambda folder: backup(folder / "a" / "new.dump", timedelta(hours=25)), "ok", "The newest backup is 25 hours"),
        (lambda folder: backup(folder / "new.dump", timedelta(0), text=b""), "wrong", "The newest backup is empty"),
    ],
    ids=["none", "old", "below", "empty"],
)
def test_backups(well, settings, tmp_path, make, verdict, message):
    folder = tmp_path / "backups"
    folder.mkdir()
    settings.BACKUP_PATH = str(folder)
    make(folder)

    finding = outside.backups()

    assert (finding.verdict, finding.message.startswith(message)) == (verdict, True), finding


def backup(path, old, text=b"PGDMP"):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text)
    written = timezone.now().timestamp() - old.total_seconds()
    os.utime(path, (written, written))


@pytest.mark.parametrize("place", ["night.dump", "missing", "missing/night.dump"])
def test_backup_path_may_be_a_file_and_may_be_missing(well, settings, tmp_path, place):
    settings.BACKUP_PATH = str(tmp_path / place)

    assert outside.backups().verdict == ("ok" if place == "night.dump" else "wrong")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"DEBUG": True}, "security.W018"),
        ({"JWT_SECRET": "a" * 48}, "homeproductions.W002: JWT_SECRET is easy to guess."),
        ({"PUBLIC_URL": "http://tickets.example.org"}, "homeproductions.W008"),
    ],
    ids=str,
)
def test_insecure_settings(well, settings, change, said):
    for name, value in change.items():
        setattr(settings, name, value)

    finding = outside.environment()

    assert finding.message == "1 insecure setting."
    assert finding.details[0].startswith(said)
    assert only_wrong() == ["settings"]


# --- When looking itself goes wrong ---------------------------------------------------------------------------


def test_database_away_is_said_once(well, monkeypatch):
    def away(*query):
        raise OperationalError("connection refused")

    monkeypatch.setattr(database, "run", away)

    assert only_wrong() == ["database"]
    assert [name for name, verdict in verdicts().items() if verdict == "note"] == [
        "migrations",
        "clock",
        "worker",
        "books",
        "mails",
        "money",
    ]
    assert list(examine(["books"])) == ["database", "books"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ProgrammingError("no such table lucia@example.com"), "The database refuses to say (ProgrammingError)."),
        (KeyError("lucia@example.com"), "The check itself broke (KeyError)."),
    ],
    ids=["database", "our fault"],
)
def test_check_that_breaks_is_a_finding_and_the_others_go_on(well, monkeypatch, error, message):
    def broken():
        raise error

    monkeypatch.setattr("homeproductions.doctor.checkup.NEED_THE_DATABASE", {"clock": broken, "books": lambda: ok("x")})

    findings = examine(["clock", "books"])

    assert (findings["clock"].message, findings["books"]) == (message, ok("x"))


def test_unknown_check_is_refused(well):
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("doctor", "--only", "everything")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.9, "1 second"), (119, "119 seconds"), (120, "2 minutes"), (7200, "2 hours"), (172_800, "2 days")],
)
def test_age_in_words(seconds, text):
    assert age(seconds) == text
