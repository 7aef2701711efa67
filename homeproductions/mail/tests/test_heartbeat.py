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

    with heartbeat.of_a_loop():
        heartbeat.beat()
        assert len(names()) == 2


def test_a_loop_ends_also_while_the_database_is_away(monkeypatch):
    def away(*query):
        raise OperationalError

    with heartbeat.of_a_loop():
        heartbeat.beat()
        monkeypatch.setattr(heartbeat, "change", away)

    assert heartbeat.signs().loops == 1  # until it has been silent for long enough
