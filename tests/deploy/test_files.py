"""Procfile, railway.json, Dockerfile, and what deploy/ has for a machine of one's own."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from homeproductions import environment as rules
from tests.deploy import image
from tests.deploy.running import BIN, DEPLOY, run
from tests.outside import program
from tests.processes import ROOT

KEYS = {"JWT_SECRET": "x" * 40, "JWT_REFRESH_SECRET": "y" * 40}
PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
# What railway.com/railway.schema.json knows below "build" and "deploy", as far as anybody here may want it.
KNOWN_TO_RAILWAY = {
    "build": {"builder": str, "dockerfilePath": str, "watchPatterns": list},
    "deploy": {
        "preDeployCommand": list,
        "startCommand": str,
        "healthcheckPath": str,
        "healthcheckTimeout": int,
        "restartPolicyType": str,
        "restartPolicyMaxRetries": int,
        "numReplicas": int,
        "overlapSeconds": int,
        "drainingSeconds": int,
    },
}


# --- What is started is the same everywhere -----------------------------------------------------------------------


def unit(name):
    return dict(re.findall(r"(?m)^(\w+)=(.*)$", (DEPLOY / name).read_text()))


def test_every_place_starts_the_same_programs():
    web, worker = PROCFILE["web"], PROCFILE["worker"]
    railway = json.loads((ROOT / "railway.json").read_text())["deploy"]
    worker_there = json.loads((DEPLOY / "railway.worker.json").read_text())["deploy"]
    [image_starts] = [json.loads(rest) for word, rest in image.instructions() if word == "CMD"]

    assert (railway["startCommand"], railway["preDeployCommand"]) == (web, [PROCFILE["release"]])
    assert (worker_there["startCommand"], "healthcheckPath" in worker_there) == (worker, False)
    # Whichever of the two comes first: the code of neither meets tables that are older than it.
    assert worker_there["preDeployCommand"] == railway["preDeployCommand"]
    assert image_starts == web.split()
    assert unit("homeproductions-web.service")["ExecStart"].endswith(f"/deploy/run python -m {web}")
    assert unit("homeproductions-worker.service")["ExecStart"].endswith(f"/deploy/run {worker}")


def test_everybody_is_given_the_time_to_finish():
    graceful = int(re.search(r"(?m)^graceful_timeout = (\d+)", (ROOT / "gunicorn.conf.py").read_text())[1])

    assert json.loads((ROOT / "railway.json").read_text())["deploy"]["drainingSeconds"] > graceful
    assert int(unit("homeproductions-web.service")["TimeoutStopSec"]) > graceful


@pytest.mark.parametrize("path", [ROOT / "railway.json", DEPLOY / "railway.worker.json"], ids=lambda path: path.name)
def test_railway_understands_its_files(path):
    assert unknown_to_railway(json.loads(path.read_text())) == []


def test_a_slip_in_railways_file_is_found():
    slips = {"build": {"builder": 3}, "deploy": {"healthCheckPath": "/health"}, "deployment": {}}

    assert unknown_to_railway(slips) == ["build.builder", "deploy.healthCheckPath", "deployment"]


def unknown_to_railway(settings):
    found = [part for part in settings if part not in ("$schema", *KNOWN_TO_RAILWAY)]
    for part, known in KNOWN_TO_RAILWAY.items():
        values = settings.get(part, {})
        found += [f"{part}.{key}" for key, value in values.items() if not isinstance(value, known.get(key, bytes))]
    return sorted(found)


# --- The image ----------------------------------------------------------------------------------------------------


def hadolint():
    """It comes with the other tools, for the machines that CI runs on."""
    if path := shutil.which("hadolint", path=BIN):
        return path
    is_packaged = sys.platform == "linux" and platform.machine() == "x86_64"
    return program("hadolint") if is_packaged else pytest.skip("there is no hadolint for this machine")


def test_dockerfile_pleases_its_linter():
    done = run(hadolint(), "Dockerfile")

    assert (done.returncode, done.stdout) == (0, "")


def test_linter_finds_what_is_wrong(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM python:latest\nRUN cd /srv\nCMD gunicorn homeproductions.wsgi\n")

    done = run(hadolint(), "Dockerfile", cwd=tmp_path)
    assert [code for code in ("DL3007", "DL3003", "DL3025") if code not in done.stdout] == []


def test_image_runs_as_nobody_and_has_no_secret_in_its_layers():
    steps = image.instructions()
    users = [rest for word, rest in steps if word == "USER"]
    lasting = " ".join(rest for word, rest in steps if word in ("ENV", "ARG", "LABEL"))
    secret = {name for name in named_variables() if re.search("SECRET|KEY|PASS|URL|TOKEN|DSN", name)}

    assert (users, steps.index(("USER", users[-1])) > steps.index(("COPY", ". ."))) == (["10001"], True)
    assert len(secret) > 10
    assert [name for name in secret if name in lasting] == []
    assert [rest for word, rest in steps if word == "COPY"] == ["${REQUIREMENTS} .", ". ."]


def named_variables():
    return re.findall(r"(?m)^([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("manage.py", True),
        ("requirements.txt", True),
        ("requirements-sentry.txt", True),
        ("requirements-dev.txt", False),
        ("deploy/release", True),
        ("orders/services/checkout.py", True),
        ("templates/public/order.html", True),
        (".env", False),
        ("orders/.env.production", False),
        (".git/config", False),
        ("orders/tests/test_review.py", False),
        ("tests/deploy/image.py", False),
        ("dump.sql", False),
    ],
)
def test_image_gets_what_runs_and_nothing_else(name, expected):
    assert image.is_let_in(name, (ROOT / ".dockerignore").read_text()) is expected


def test_image_has_every_app():
    apps = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]

    assert [app for app in apps if not image.is_let_in(f"{app}/apps.py", (ROOT / ".dockerignore").read_text())] == []


def test_steps_of_the_image_work_on_what_it_gets(tmp_path):
    """All but the installation, which is that of `make install` from another lock."""
    image.build(tmp_path)
    for word, rest in image.instructions():
        if word == "RUN" and "pip install" not in rest:
            variables = {"PATH": BIN, "HOME": str(tmp_path)}
            done = subprocess.run(
                ["sh", "-c", rest], check=False, cwd=tmp_path, env=variables, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr

    settings = {"DATABASE_URL": "postgresql:///none", **KEYS, "STATIC_ROOT": ""}
    checked = run(sys.executable, "-m", *PROCFILE["web"].split(), "--check-config", cwd=tmp_path, **settings)
    assert checked.returncode == 0, checked.stderr
    assert (tmp_path / "staticfiles" / "staticfiles.json").exists()
    assert not (tmp_path / "tests").exists()


@pytest.mark.parametrize("lock", ["requirements.txt", rules.SENTRY_REQUIREMENTS])
def test_image_installs_the_lock_that_its_builder_names(tmp_path, lock):
    image.build(tmp_path)
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    for name in ("useradd", "pip"):
        (stubs / name).write_text('#!/bin/sh\nprintf "%s\\n" "${0##*/}" "$@" >>asked\n')
        (stubs / name).chmod(0o755)
    chosen = dict(rest.split("=") for word, rest in image.instructions() if word == "ARG")
    chosen |= {} if lock == chosen["REQUIREMENTS"] else {"REQUIREMENTS": lock}
    [step] = [rest for word, rest in image.instructions() if word == "RUN" and "pip" in rest]

    run("sh", "-c", step, cwd=tmp_path, PATH=f"{stubs}{os.pathsep}{BIN}", **chosen).check_returncode()

    asked = (tmp_path / "asked").read_text().split()
    assert asked[asked.index("pip") :] == ["pip", "install", "--require-hashes", "-r", lock]
    assert (tmp_path / lock).is_file()


@pytest.mark.parametrize("place", ["Railway", "Docker"])
def test_page_changes_what_is_only_true_of_a_machine_of_ones_own(place):
    page = (ROOT / "docs" / "operations.md").read_text()
    part = page.partition(f"\n## {place} instead\n")[2].partition("\n## ")[0]
    made = run(sys.executable, "deploy/new_env.py", "https://tickets.example").stdout
    own = re.findall(r"(?m)^(\w+)=(?:127\.0\.0\.1|.*/var/(?:run|backups))", made)

    assert own == ["DATABASE_URL", "TRUSTED_PROXIES", "BACKUP_PATH"]
    assert [name for name in own if f"`{name}`" not in part] == []


def test_probe_of_the_image_tells_alive_from_dead(tmp_path):
    done = run(sys.executable, "deploy/alive.py", PORT="1")

    assert (done.returncode, done.stderr.startswith("no answer: ")) == (1, True)


# --- A machine of one's own ---------------------------------------------------------------------------------------


def test_systemd_understands_its_units(tmp_path):
    (tmp_path / "here").symlink_to(ROOT)
    for path in [*DEPLOY.glob("*.service"), *DEPLOY.glob("*.socket")]:
        # It looks whether program and account exist.
        text = path.read_text().replace("/srv/homeproductions", f"{tmp_path}/here")
        (tmp_path / path.name).write_text(text.replace("User=homeproductions", "User=daemon"))
    units = sorted(str(path) for path in tmp_path.glob("home*"))
    if not (analyze := shutil.which("systemd-analyze")):
        pytest.skip("there is no systemd on this machine")  # not even a container of CI has one
    done = run(analyze, "verify", "--man=no", *units)
    ours = [line for line in done.stderr.splitlines() if "homeproductions" in line]

    assert (len(units), done.returncode, ours) == (3, 0, [])
    (tmp_path / "homeproductions-worker.service").write_text("[Service]\nExecStart=/nonexistent/program\n")
    assert run(analyze, "verify", "--man=no", *units).returncode != 0


def test_nginx_understands_its_site(tmp_path):
    site = (DEPLOY / "nginx.conf").read_text()
    # Looking opens the addresses, too.
    site = site.replace("listen 80", "listen 127.0.0.1:8099").replace("[::]:80", "127.0.0.1:8098")

    assert nginx_check(tmp_path, site).returncode == 0
    assert nginx_check(tmp_path, site.replace("proxy_pass", "proxy_pas")).returncode != 0


def nginx_check(folder, site):
    site = site.replace("/var/log/nginx", str(folder))
    (folder / "site.conf").write_text(site)
    logs = f"error_log {folder}/error.log; pid {folder}/nginx.pid; events {{}}"
    (folder / "nginx.conf").write_text(f"{logs} http {{ access_log off; include {folder}/site.conf; }}")
    return run(program("nginx"), "-t", "-p", str(folder), "-c", str(folder / "nginx.conf"))


def test_cron_runs_commands_that_exist():
    lines = [line for line in (DEPLOY / "homeproductions.cron").read_text().splitlines() if "manage.py" in line]

    assert len(lines) == 2
    for line in lines:
        command = line.partition("deploy/run python ")[2].split()
        done = run(sys.executable, *command[:2], "--help", **environment_for_help())
        assert done.returncode == 0, done.stderr


def environment_for_help():
    return {"DATABASE_URL": "postgresql:///none", **KEYS}
