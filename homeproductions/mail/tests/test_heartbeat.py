"""Who is alive among several workers."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from homeproductions.mail import heartbeat
from homeproductions.mail.models import WorkerHeartbeat

pytestmark = pytest.mark.django_db
SHARED = WorkerHeartbeat.OUTBOX


def last_seen(worker, back):
    WorkerHeartbeat.objects.update_or_create(worker=worker, defaults={"beat_at": timezone.now() - back})


def names():
    return set(WorkerHeartbeat.objects.values_list("worker", flat=True))


def test_a_loop_is_counted_while_it_goes_on():
    with heartbeat.of_a_loop():
        heartbeat.beat()
        assert heartbeat.signs().loops == 1

    signs = heartbeat.signs()
    assert (signs.loops, signs.is_worker_silent, names()) == (0, False, {SHARED})


def test_cron_is_a_sign_of_life_and_no_loop():
    heartbeat.beat()

    assert (heartbeat.signs().loops, names()) == (0, {SHARED})


def test_one_dead_loop_among_three_is_noticed():
    for worker, minutes in (("a:1", 0), ("b:1", 9), ("c:1", 11)):
        last_seen(worker, timedelta(minutes=minutes))
    last_seen(SHARED, timedelta())

    assert heartbeat.signs().loops == 2


def test_the_dead_are_cleared_away_after_an_hour():
    last_seen(SHARED, timedelta(days=1))
    last_seen("recent:1", timedelta(minutes=50))
    last_seen("old:1", timedelta(minutes=70))

    heartbeat.beat()

    assert names() == {SHARED, "recent:1"}


def test_a_long_host_name_has_room(monkeypatch):
    monkeypatch.setattr(heartbeat.socket, "gethostname", lambda: "h" * 64)

    monkeypatch.setattr(heartbeat.os, "getpid", lambda: 2**22)  # the highest that Linux gives

    with heartbeat.of_a_loop():
        heartbeat.beat()
        assert len(names()) == 2


@pytest.mark.parametrize("host", ["tickets-worker-7c9d8b6f5d-in-the-cluster-of-home-productions-{}", "one-machine"])
def test_replicas_are_told_apart(monkeypatch, host):
    """As they are in containers: each is process 1, and some have the machine's own name."""
    monkeypatch.setattr(heartbeat.os, "getpid", lambda: 1)
    monkeypatch.setattr(heartbeat.socket, "gethostname", lambda: host.format("x2x4z"))
    with heartbeat.of_a_loop():
        heartbeat.beat()
        [other] = names() - {SHARED}
    last_seen(other, timedelta())  # in another container, where it goes on

    monkeypatch.setattr(heartbeat.socket, "gethostname", lambda: host.format("q8w6c"))
    with heartbeat.of_a_loop():
        heartbeat.beat()
        assert heartbeat.signs().loops == 2

    assert (heartbeat.signs().loops, names()) == (1, {SHARED, other})


def test_name_of_a_loop_says_where_it_runs(monkeypatch):
    monkeypatch.setattr(heartbeat.socket, "gethostname", lambda: "tickets")

    with heartbeat.of_a_loop():
        heartbeat.beat()
        assert [name for name in names() if name.startswith(f"tickets:{heartbeat.os.getpid()}:")]


def test_a_loop_ends_also_while_the_database_is_away(monkeypatch):
    def away(*query):
        raise OperationalError

    with heartbeat.of_a_loop():
        heartbeat.beat()
        monkeypatch.setattr(heartbeat, "change", away)

    assert heartbeat.signs().loops == 1  # until it has been silent for long enough
