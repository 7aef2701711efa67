"""Fixtures for more than one file here."""

import secrets

import pytest

from accounts.models import User
from homeproductions import checks
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
