"""Fixtures for more than one file here."""

import secrets
from datetime import UTC, datetime

import pytest
import time_machine
from django.db import OperationalError

from accounts.models import User
from homeproductions import checks
from homeproductions.counters import PostgresCounters
from homeproductions.mail import heartbeat
from tests.factories import make_user

WEBHOOK_SECRET = "whsec_" + "QUJD" * 8


@pytest.fixture
def office(client, db):
    """A browser of somebody of the office."""
    client.force_login(make_user("admin"))
    return client


@pytest.fixture
def well(db, settings, monkeypatch, tmp_path):
    """A house in which nothing needs anybody."""
    for name in checks.KEYS:
        setattr(settings, name, secrets.token_urlsafe(48))
    settings.KEYS_ARE_DERIVED = False
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "https://tickets.example.org", ["tickets.example.org"]
    settings.TRUSTED_PROXIES, settings.RATE_LIMIT_ENABLED = ["100.64.0.0/10"], True
    settings.PAYMENT_WEBHOOK_SECRETS = [WEBHOOK_SECRET]
    settings.MAIL_TRANSPORT = "homeproductions.mail.backends.Smtp"
    settings.BACKUP_PATH = str(tmp_path)
    (tmp_path / "night.dump").write_bytes(b"PGDMP")
    monkeypatch.setattr("homeproductions.static_files.are_collected", lambda: True)
    monkeypatch.setattr("homeproductions.static_files.outdated", list)
    monkeypatch.setattr("homeproductions.mail.trial.sign_in", lambda: "The mail server answers.")
    User.objects.create_superuser("boss@example.com", secrets.token_urlsafe(12))
    heartbeat.beat()


@pytest.fixture
def limit(settings):
    """`limit(auth=(2, 60))` changes buckets for one test."""

    def change(**rates):
        settings.RATE_LIMITS = {**settings.RATE_LIMITS, **rates}

    return change


@pytest.fixture
def clock():
    """It stands still: no window ends in the middle of a test."""
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        yield clock


@pytest.fixture
def no_counting(monkeypatch):
    def fail(*args, **kwargs):
        raise OperationalError("connection to server failed")

    for operation in ("add", "incr", "get"):
        monkeypatch.setattr(PostgresCounters, operation, fail)
