"""What we install is what was locked, and what ruff's security rules let pass has a reason."""

import hashlib
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted(ROOT.glob("requirements*.txt"))
INSTALLERS = [
    *(ROOT / name for name in ("Makefile", "README.md", "Procfile", "Dockerfile", "railway.json", ".ci/run")),
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("deploy/*"),
]
LOCKED = re.compile(r"[a-z0-9-]+(\[[a-z,-]+\])?==[^\s]+( ; .+)?( \\\n    --hash=sha256:[0-9a-f]{64})+")
INSTALL = re.compile(r"pip install\b(?:[^\n\\]|\\\n)*")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_has_one_version_and_hashes(lock):
    lines = [line for line in lock.read_text().splitlines() if not line.lstrip().startswith("#")]
    packages = re.split(r"\n(?=\S)", "\n".join(lines))

    assert len(packages) > 5
    assert [package for package in packages if not LOCKED.fullmatch(package)] == []


@pytest.mark.parametrize(
    "package",
    ["django==5.2", "django>=5.2 \\\n    --hash=sha256:" + "a" * 64, "--extra-index-url x", "-e ."],
)
def test_what_is_not_locked_is_recognised(package):
    assert not LOCKED.fullmatch(package)


def test_all_locks_are_there():
    assert [path.name for path in LOCKS] == [
        "requirements-audit.txt",
        "requirements-dev.txt",
        "requirements-sentry.txt",
        "requirements.txt",
    ]


def test_whoever_installs_a_lock_insists_on_its_hashes():
    commands = [
        command
        for path in INSTALLERS
        if path.is_file()
        for command in INSTALL.findall(path.read_text())
        if "requirements" in command
    ]

    assert len(commands) >= 3
    assert [command for command in commands if "--require-hashes" not in command] == []


@pytest.mark.parametrize("is_tampered", [False, True])
def test_package_that_was_changed_after_locking_is_refused(tmp_path, is_tampered):
    wheel = make_wheel(tmp_path)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if is_tampered:
        with zipfile.ZipFile(wheel, "a") as archive:
            archive.writestr("evil.py", "")
    (tmp_path / "lock.txt").write_text(f"tiny==1.0 --hash=sha256:{digest}\n")

    install = [sys.executable, "-m", "pip", "install", "--require-hashes", "-r", "lock.txt", "--target", "to"]
    offline = ["--no-index", "--find-links", ".", "--disable-pip-version-check"]
    done = subprocess.run([*install, *offline], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode != 0, "DO NOT MATCH THE HASHES" in done.stderr) == (is_tampered, is_tampered), done.stderr


def make_wheel(folder):
    wheel = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel_file = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr("tiny-1.0.dist-info/WHEEL", wheel_file)
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    return wheel


def test_audit_without_a_network_says_so_in_one_sentence():
    nowhere = "http://127.0.0.1:9"
    variables = {**os.environ, "https_proxy": nowhere, "HTTPS_PROXY": nowhere, "no_proxy": "", "NO_PROXY": ""}

    done = subprocess.run(["make", "audit"], cwd=ROOT, env=variables, capture_output=True, text=True, check=False)

    first = done.stderr.splitlines()[0]
    assert done.returncode != 0
    assert (first.startswith("make audit asks pypi.org"), "Traceback" in done.stderr) == (True, False)


# --- ruff's security rules ------------------------------------------------------------------------------------


def test_security_rules_are_on():
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]

    assert "S" in rules["select"]
    code = b"import subprocess\nsubprocess.run('ls ' + input(), shell=True)\n"
    ruff = [sys.executable, "-m", "ruff", "check", "--stdin-filename", "homeproductions/x.py", "-"]
    found = subprocess.run(ruff, cwd=ROOT, input=code, capture_output=True, check=False)
    assert b"S602" in found.stdout


def test_what_they_let_pass_has_a_reason():
    rules = (ROOT / "pyproject.toml").read_text().partition("[tool.ruff.lint]")[2].partition("[tool.mypy]")[0]
    sources = [path for path in ROOT.rglob("*.py") if ".venv" not in path.parts]
    lines = [f"{path.relative_to(ROOT)}: {line.strip()}" for path in sources for line in path.read_text().splitlines()]

    passes = [line for line in lines if re.search(r"# noqa: S\d", line)]
    assert len(passes) > 5
    assert [line for line in passes if not re.search(r"# noqa: S\d+ {1,2}\(.+\)$", line)] == []
    alone = [line for line in rules.splitlines() if re.match(r'\s+"S\d+"|".+" = \[.*"S\d', line) and "#" not in line]
    assert alone == [line for line in alone if "tests" in line]  # one comment above both
