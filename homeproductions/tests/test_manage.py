"""`manage.py` itself, as cron, a release and an operator see it."""

import subprocess
import sys

import pytest

from tests.processes import ROOT, environment

NOBODY_THERE = "postgresql://hp:hunter2@127.0.0.1:1/hp"


def manage(*command):
    variables = environment(DATABASE_URL=NOBODY_THERE)
    return subprocess.run(
        [sys.executable, "manage.py", *command], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "command",
    [["migrate", "--noinput"], ["ensure_admin"], ["expire_orders"], ["forget", "lucia@example.com"]],
    ids=lambda command: command[0],
)
def test_database_that_is_away_is_one_sentence(db, command):
    done = manage(*command)

    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith("The database is away, or in trouble: ")
    assert "hunter2" not in done.stderr


def test_where_it_was_is_shown_to_whoever_asks(db):
    done = manage("expire_orders", "--traceback")

    assert (done.returncode, "Traceback" in done.stderr, "holds.py" in done.stderr) == (1, True, True)
