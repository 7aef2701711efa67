"""What is kept for a second: made once, by one at a time, and never older than that."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from homeproductions.memory import MOST, Memory


@pytest.fixture
def memory(settings):
    settings.MEMORY_SECONDS = 60
    return Memory()


def test_value_is_made_once(memory):
    made = iter("ab")

    assert [memory.get("key", lambda: next(made)) for _ in range(2)] == ["a", "a"]
    assert memory.get("other key", lambda: next(made)) == "b"


def test_old_value_is_made_anew(memory, settings, monkeypatch):
    settings.MEMORY_SECONDS = 1
    now = time.monotonic()
    made = iter("ab")
    memory.get("key", lambda: next(made))

    monkeypatch.setattr(time, "monotonic", lambda: now + 1.1)

    assert memory.get("key", lambda: next(made)) == "b"


def test_value_is_as_old_as_its_beginning(memory, settings, monkeypatch):
    settings.MEMORY_SECONDS = 1
    now = time.monotonic()

    def slowly():
        monkeypatch.setattr(time, "monotonic", lambda: now + 5)
        return "old"

    memory.get("key", slowly)

    assert memory.get("key", lambda: "new") == "new"


def test_whoever_is_not_helped_by_it_gets_a_new_one(memory):
    memory.get("key", lambda: "old")

    assert memory.renew("key", lambda: "new") == "new"
    assert memory.get("key", lambda: "newer") == "new"


def test_failure_is_not_remembered(memory):
    def fail():
        raise LookupError

    with pytest.raises(LookupError):
        memory.get("key", fail)

    assert memory.get("key", lambda: "there") == "there"


def test_one_makes_it_while_the_others_wait(memory):
    start, made = threading.Barrier(8), []

    def slowly():
        made.append(1)
        time.sleep(0.2)
        return "value"

    def ask(_):
        start.wait()
        return memory.get("key", slowly)

    with ThreadPoolExecutor(8) as crowd:
        assert set(crowd.map(ask, range(8))) == {"value"}
    assert made == [1]


def test_memory_is_bounded(memory):
    for key in range(MOST + 1):
        memory.get(key, lambda: "value")

    assert len(memory._places) == 1
