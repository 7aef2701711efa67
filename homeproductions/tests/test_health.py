"""What the platform's probe and whoever watches are told."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone

from homeproductions.mail import heartbeat
from homeproductions.mail.models import OutboxEmail, WorkerHeartbeat
from tests.factories import make_order

HOUR = timedelta(hours=1)


def make_mail(age, status="pending", **fields):
    return OutboxEmail.objects.create(
        order=make_order(),
        email_type="ticket",
        recipient_email="lucia@example.com",
        subject="Your ticket",
        status=status,
        created_at=timezone.now() - age,
        **fields,
    )


def test_health_has_the_contracts_keys_and_two_ages(api):
    response = api.get("/health")

    answer = response.json()
    assert (response.status_code, answer["status"], answer["version"]) == (200, "healthy", "4.0.0")
    assert set(answer) == {
        "status",
        "version",
        "timestamp",
        "database",
        "email",
        "cloudinary",
        "outbox",
        "worker",
    }
    assert answer["database"] == {"status": "healthy", "connected": True}


def test_ages_are_null_when_nothing_waits_and_no_worker_ever_ran(api):
    make_mail(HOUR, "sent")
    make_mail(HOUR, "failed")

    answer = api.get("/health").json()

    assert answer["outbox"] == {"oldestUnsentSeconds": None}
    assert answer["worker"] == {"lastHeartbeatSeconds": None}


@pytest.mark.parametrize("status", ["pending", "processing"])
def test_age_of_the_oldest_mail_that_is_not_sent(api, status):
    make_mail(HOUR, status)
    make_mail(HOUR / 2)

    age = api.get("/health").json()["outbox"]["oldestUnsentSeconds"]

    assert 3600 <= age < 3660


def test_age_of_the_last_heartbeat(api):
    heartbeat.beat()
    WorkerHeartbeat.objects.update(beat_at=timezone.now() - HOUR)
    assert 3600 <= api.get("/health").json()["worker"]["lastHeartbeatSeconds"] < 3660

    call_command("process_outbox")

    assert api.get("/health").json()["worker"]["lastHeartbeatSeconds"] < 60


def test_health_asks_the_database_once(api, django_assert_num_queries):
    make_mail(HOUR)

    with django_assert_num_queries(1):
        api.get("/health")


def test_health_is_503_without_a_database(api, monkeypatch):
    def away(*arguments):
        raise OperationalError("password authentication failed for user secret")

    monkeypatch.setattr(heartbeat, "run", away)
    response = api.get("/health")

    assert (response.status_code, response.json()["database"]) == (503, {"status": "unhealthy", "connected": False})
    assert response["Retry-After"] == "5"
    assert response.json()["worker"] == {"lastHeartbeatSeconds": None}
    assert "secret" not in response.content.decode()


@pytest.mark.parametrize("slash", ["", "/"])
def test_live_asks_no_database(client, slash):
    # (no `db` here: asking one would fail, as the next test shows)
    response = client.get(f"/health/live{slash}")

    assert (response.status_code, response.json()) == (200, {"status": "alive", "version": "4.0.0"})


def test_health_does_ask_it(client):
    client.raise_request_exception = False

    assert client.get("/health").status_code == 500


@pytest.mark.parametrize(
    ("age", "is_silent"), [(None, True), (0, False), (9 * 60, False), (11 * 60, True)], ids=["never", "0", "9m", "11m"]
)
def test_worker_is_silent_after_ten_minutes(age, is_silent):
    assert heartbeat.Signs(oldest_unsent=None, last_beat=age).is_worker_silent == is_silent
