"""Each check of the doctor, with what it is there to find; all others stay well."""

import errno
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from accounts.models import User
from homeproductions.doctor import database, house, outside
from homeproductions.doctor.checkup import examine
from homeproductions.doctor.finding import Verdict
from homeproductions.mail.models import OutboxEmail, WorkerHeartbeat
from homeproductions.postgresql import poolers
from orders.models import Payment

LONG_AGO = timedelta(days=3)
SECRET = "whsec_" + "QUJD" * 8


def only_wrong():
    return [name for name, finding in examine().items() if finding.verdict == Verdict.WRONG]


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


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "admin"}], ids=str)
def test_house_without_an_admin(well, change):
    User.objects.update(**change)

    assert house.admin().message.startswith("There is no active superadmin")
    assert only_wrong() == ["admin"]


def test_missing_worker_among_several(well, settings):
    settings.WORKERS_EXPECTED = 3
    for name in ("web1:7", "web2:7"):
        WorkerHeartbeat.objects.create(worker=name, beat_at=timezone.now())

    assert house.worker().message == "2 of 3 workers alive."
    assert only_wrong() == ["worker"]

    WorkerHeartbeat.objects.create(worker="web3:7", beat_at=timezone.now())
    assert house.worker().message.startswith("3 workers alive, ")
    assert only_wrong() == []


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


@pytest.mark.parametrize(
    ("name", "way", "verdict"),
    [
        ("homeproductions-1.dump", {}, "wrong"),
        ("homeproductions-1.dump", {"PORT": "1"}, "ok"),  # another line says that nothing answers
        ("made-by-others.dump", {}, "ok"),
    ],
)
def test_backups_that_the_next_night_will_not_make(well, settings, tmp_path, monkeypatch, name, way, verdict):
    settings.BACKUP_PATH = str(tmp_path / "backups")
    backup(tmp_path / "backups" / name, timedelta(hours=1))
    settings.BACKUP_DATABASE = way
    if not way:
        monkeypatch.setattr(poolers, "stands_before", lambda database: True)

    finding = outside.backups()

    assert (finding.verdict, "BACKUP_DATABASE_URL" in finding.message) == (verdict, verdict == "wrong")


@pytest.mark.parametrize(
    ("prepare", "pooled", "verdict"), [(True, True, "wrong"), (True, False, "ok"), (False, True, "ok")]
)
def test_prepared_statements_behind_a_pooler(well, settings, monkeypatch, prepare, pooled, verdict):
    settings.DATABASE_PREPARE = prepare
    monkeypatch.setattr(poolers, "stands_before", lambda database: pooled)

    assert database.database().verdict == verdict


@pytest.mark.parametrize("text", [b"", b"half"], ids=["begun", "half"])
def test_unfinished_dump_is_no_backup(well, settings, tmp_path, text):
    settings.BACKUP_PATH = str(tmp_path / "backups")
    backup(tmp_path / "backups" / "homeproductions-1.dump", timedelta(days=10))
    backup(tmp_path / "backups" / "homeproductions-2.dump.part", timedelta(0), text=text)

    assert outside.backups().message == "The newest backup is 10 days old; 26 hours are allowed."


def test_dump_that_gets_its_name_while_one_looks_is_passed_over(well, settings, tmp_path, monkeypatch):
    settings.BACKUP_PATH = str(tmp_path / "backups")
    for name, hours in (("yesterday.dump", 24), ("tonight.dump", 1)):
        backup(tmp_path / "backups" / name, timedelta(hours=hours))
    look = Path.stat

    def stat(path, **options):
        if path.name == "tonight.dump":
            path.unlink()
        return look(path, **options)

    monkeypatch.setattr(Path, "stat", stat)

    assert outside.backups().message == "The newest backup is 24 hours old (5 bytes)."


def test_backup_path_may_be_a_file(well, settings, tmp_path):
    settings.BACKUP_PATH = str(tmp_path / "night.dump")

    assert outside.backups().verdict == "ok"


@pytest.mark.parametrize("place", ["missing", "missing/night.dump"])
def test_backup_path_that_is_missing_is_told_from_an_empty_one(well, settings, tmp_path, place):
    settings.BACKUP_PATH = str(tmp_path / place)

    assert outside.backups().message == f"BACKUP_PATH leads nowhere: there is no {tmp_path / place}."
    assert only_wrong() == ["backups"]


def test_backup_path_that_nobody_may_read_is_told_from_an_empty_one(well, settings, tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)

    assert outside.backups().message == f"Nobody can look into {tmp_path} (BACKUP_PATH): Permission denied."


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
