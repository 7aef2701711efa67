"""The settings of a machine of one's own: deploy/new_env.py writes them, deploy/run reads them."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from homeproductions import environment as rules
from tests.deploy.running import DEPLOY, run
from tests.processes import ROOT


@pytest.fixture
def checkout(tmp_path):
    """With a space in its path, and an .env."""
    folder = tmp_path / "ops try"
    shutil.copytree(DEPLOY, folder / "deploy", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".env.example", folder)
    return folder


def shown(checkout, *names):
    """What a program that is run by deploy/run finds in its environment."""
    code = f"import os; print(*[os.environ.get(name) for name in {names!r}], sep='|')"
    return run(str(checkout / "deploy/run"), sys.executable, "-c", code, cwd="/", JWT_SECRET="from outside", PORT="9")


def test_settings_are_read_as_they_stand(checkout):
    lines = ["# a comment", "", "A=a b", "B=postgresql://u:p$w`d@h/n?x=1&y=2#z", "C='quoted'", 'D="also"', "PORT="]
    lines.append("JWT_SECRET=own")
    (checkout / ".env").write_text("\n".join(lines))

    assert shown(checkout, "A", "B", "C", "D", "PORT", "JWT_SECRET").stdout.rstrip("\n") == (
        "a b|postgresql://u:p$w`d@h/n?x=1&y=2#z|quoted|also|None|own"
    )


def test_settings_may_come_from_windows(checkout):
    (checkout / ".env").write_bytes(b"# a comment\r\n\r\nA=a b\r\nB='quoted'\r\nPORT=\r\nJWT_SECRET=own\r\n")

    assert shown(checkout, "A", "B", "PORT", "JWT_SECRET").stdout == "a b|quoted|None|own\n"


def test_run_without_a_program_says_how_it_is_used(checkout):
    (checkout / ".env").write_text("A=b\n")

    done = run(str(checkout / "deploy/run"))
    assert (done.returncode, done.stdout, done.stderr[:16]) == (2, "", "Usage: deploy/ru")


def test_settings_that_cannot_be_read_are_named(checkout):
    missing = shown(checkout)
    (checkout / ".env").write_text("JWT_SECRET=x\nexport PASSWORD hunter2=3\n")
    faulty = shown(checkout)

    assert (missing.returncode, ".env is missing" in missing.stderr) == (1, True)
    assert (faulty.returncode, "not NAME=value" in faulty.stderr) == (1, True)


def test_line_of_the_example_that_a_shell_would_misread_is_read(checkout):
    (checkout / ".env").write_text("EMAIL_FROM=The House <a@b.example>\nEMAIL_PASS=a&b;c$d `e` (f) #g\n")

    assert shown(checkout, "EMAIL_FROM", "EMAIL_PASS").stdout == "The House <a@b.example>|a&b;c$d `e` (f) #g\n"
    head = (checkout / ".env.example").read_text().partition("\n\n")[0]
    assert ("deploy/run python manage.py" in head, "set -a" in head) == (True, False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
def test_root_does_not_run_the_program_of_an_account_that_cannot_read_its_settings():
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        checkout, settings = Path(folder), Path(folder, ".env")
        shutil.copytree(DEPLOY, checkout / "deploy")
        settings.write_text("A=b\n")
        settings.chmod(0o600)
        mine = run(str(checkout / "deploy/run"), "id", "-un")
        shutil.chown(checkout, "nobody", "nogroup")
        copied = run(str(checkout / "deploy/run"), "id", "-un")
        advice = copied.stderr.partition("cannot read it: ")[2]
        subprocess.run(["sh", "-c", advice], check=True)
        given = run(str(checkout / "deploy/run"), "id", "-un")

    assert (mine.stdout, copied.returncode, copied.stdout, given.stdout) == ("root\n", 1, "", "nobody\n")


def test_new_settings_are_complete_and_nobody_elses(checkout):
    command = (sys.executable, "deploy/new_env.py", "https://tickets.example.org")
    made = [run(*command, cwd=checkout).stdout for _ in range(2)]
    first, second = (dict(re.findall(r"(?m)^([A-Z_]+)=(.+)$", text)) for text in made)

    assert (rules.find_faults(first), first["PUBLIC_URL"]) == ([], "https://tickets.example.org")
    secret = [name for name in first if re.search("SECRET|KEY|PASSWORD|TOKEN", name)]
    assert len(secret) == 7
    assert [name for name in secret if first[name] == second[name]] == []
    (checkout / ".env").write_text(made[0])
    check = ["python", "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = run(str(checkout / "deploy/run"), "env", "-C", str(ROOT), *check)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "",
        "tickets.example",
        "http://tickets.example",
        "https://tickets.example/shop",
        "https://tickets.example:8443",
        "https://somebody@tickets.example",
        "https://tickets.example/?q=1",
    ],
)
def test_new_settings_ask_for_the_address(checkout, url):
    done = run(sys.executable, "deploy/new_env.py", url, cwd=checkout)

    assert (done.returncode, done.stdout, done.stderr[:6]) == (1, "", "Usage:")
