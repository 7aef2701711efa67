"""Periodic work: when it is due, and what a failure does."""

from datetime import UTC, datetime, timedelta

import pytest

from homeproductions import chores

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_chores(monkeypatch):
    monkeypatch.setattr(chores, "CHORES", {})


def test_chore_runs_first_at_once_and_then_once_per_period():
    runs = []
    chores.register("count", timedelta(minutes=10), lambda: runs.append(1))

    for minutes in (0, 9, 10, 19, 20):
        chores.run_due(NOON + timedelta(minutes=minutes))

    assert len(runs) == 3


def test_failing_chore_is_logged_without_quoting_anybody_and_the_next_one_runs(caplog):
    runs = []

    def fail():
        raise ValueError("lucia@example.com")

    chores.register("broken", timedelta(minutes=10), fail)
    chores.register("count", timedelta(minutes=10), lambda: runs.append(1))

    assert chores.run_due(NOON) == ["broken"]
    assert runs == [1]
    assert "broken" in caplog.text
    assert "lucia" not in caplog.text


def test_failing_chore_waits_for_its_next_turn():
    chores.register("broken", timedelta(minutes=10), lambda: 1 / 0)

    failures = [chores.run_due(NOON + timedelta(minutes=minutes)) for minutes in (0, 1, 10)]

    assert failures == [["broken"], [], ["broken"]]


def test_name_is_taken_once():
    chores.register("count", timedelta(minutes=10), print)

    with pytest.raises(ValueError, match="count"):
        chores.register("count", timedelta(minutes=10), print)
