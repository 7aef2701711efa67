"""`make bench` in small: that it runs from end to end. How fast anything is, is not for a test to say."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.processes import ROOT

SMALL = ("--rounds", "1", "--seconds", "1", "--orders", "500")


def bench(*arguments):
    command = [sys.executable, "-m", "bench.run", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)


@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_one_profile_runs_beside_its_ceiling(tmp_path):
    done = bench(*SMALL, "--profile", "hot", "--json", str(tmp_path / "figures.json"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "| POST /api/orders, one hot tier | " in done.stdout
    [profile] = json.loads((tmp_path / "figures.json").read_text())["profiles"]
    assert (profile["name"], profile["real"][0]["errors"]) == ("hot", 0)
    assert profile["real"][0]["done"] > 0


def test_profiles_are_named_without_running_any():
    done = bench("--list")

    assert (done.returncode, done.stdout.split()[0]) == (0, "events")
