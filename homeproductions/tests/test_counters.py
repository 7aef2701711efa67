"""The shared counters: what they promise, and what a Redis that is away costs."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.cache import caches
from django.db import connection
from redis.exceptions import ConnectionError as RedisAway

from homeproductions import counters, redis_counters
from homeproductions.chores import CHORES
from homeproductions.counters import PostgresCounters
from homeproductions.redis_counters import Breaker, RedisCounters
from tests.processes import free_port

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
THREADS, EACH = 16, 25


@pytest.fixture
def postgres(db):
    return PostgresCounters("", {"TIMEOUT": 60})


@pytest.fixture(autouse=True)
def breaker(monkeypatch):
    breaker = Breaker(15)
    monkeypatch.setattr(redis_counters, "redis_breaker", breaker)
    return breaker


def test_counter_counts_until_it_expires(postgres):
    with time_machine.travel(NOON, tick=False) as clock:
        assert (postgres.add("a", 1, 10), postgres.add("a", 1, 10)) == (True, False)
        assert (postgres.incr("a"), postgres.incr("a", -2), postgres.get("a")) == (2, 0, 0)
        clock.shift(10)
        assert postgres.get("a", "gone") == "gone"
        with pytest.raises(ValueError, match="a"):
            postgres.incr("a")
        assert postgres.add("a", 5, 10)
        assert postgres.get("a") == 5


def test_counter_is_set_and_deleted(postgres):
    postgres.set("a", 7)
    postgres.set("a", 8, None)

    assert (postgres.get("a"), postgres.delete("a"), postgres.delete("a"), postgres.get("a")) == (8, True, False, None)


def test_expired_counters_are_deleted_and_others_stay(postgres):
    with time_machine.travel(NOON, tick=False) as clock:
        postgres.add("short", 1, 10)
        postgres.add("long", 1, 100)
        clock.shift(50)
        counters.delete_expired()

    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM rate_limit_counters")
        assert cursor.fetchall() == [(":1:long",)]


@pytest.mark.django_db(transaction=True)
def test_parallel_counts_are_exact():
    counted = caches["rate-limits"]

    def count(_):
        try:
            return [counted.add("race", 1, 60) or counted.incr("race") for _ in range(EACH)]
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        answers = [answer for answers in pool.map(count, range(THREADS)) for answer in answers]

    assert counted.get("race") == THREADS * EACH
    assert sorted(answers) == list(range(1, THREADS * EACH + 1))


def redis_at(port):
    return RedisCounters(f"redis://127.0.0.1:{port}/0", {"TIMEOUT": 60})


def test_dead_redis_is_replaced_by_postgres(db):
    redis = redis_at(free_port())

    assert (redis.add("a", 1, 60), redis.add("a", 1, 60), redis.incr("a"), redis.get("a")) == (True, False, 2, 2)
    assert PostgresCounters("", {}).get("a") == 2


@contextmanager
def silent_server():
    """Takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def test_silent_redis_costs_half_a_second_once(db):
    with silent_server() as port:
        redis = redis_at(port)
        times = [time.monotonic()]
        for _ in range(20):
            redis.add("a", 1, 60)
            times.append(time.monotonic())

    assert times[1] - times[0] < 0.9
    assert times[-1] - times[1] < 0.25


def test_redis_lost_between_add_and_incr_starts_over_in_postgres(db, monkeypatch):
    redis = redis_at(free_port())
    monkeypatch.setattr(redis.redis, "add", lambda *_: True)

    assert redis.add("a", 1, 60)
    assert (redis.incr("a"), redis.incr("a")) == (1, 2)


def test_redis_that_is_well_is_used_alone(django_db_blocker, monkeypatch):
    redis = redis_at(free_port())
    monkeypatch.setattr(redis.redis, "add", lambda *_: True)
    monkeypatch.setattr(redis.redis, "incr", lambda *_: 41)

    with django_db_blocker.block():
        assert (redis.add("a", 1, 60), redis.incr("a")) == (True, 41)


def test_breaker_lets_one_caller_try_after_the_pause():
    breaker = Breaker(15)
    breaker.note_failure(RedisAway())

    assert not breaker.allows_a_try()
    breaker._next_try -= 15  # a monotonic clock cannot be moved
    assert (breaker.allows_a_try(), breaker.allows_a_try()) == (True, False)
    breaker.note_success()
    assert (breaker.allows_a_try(), breaker.allows_a_try()) == (True, True)


def test_old_rows_are_a_chore():
    chore = CHORES["delete expired rate-limit counters"]
    assert (chore.function, chore.every) == (counters.delete_expired, timedelta(minutes=10))
