"""Starts the real programs against the test database, and ends them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

import requests
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60  # seconds, for what takes two on an idle machine


def wait_until(is_so: Callable[[], Any], what: str, patience: float = 2 * PATIENCE) -> None:
    """Raises AssertionError, naming `what`, if that does not become true in time."""
    deadline = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(**changes: str) -> dict[str, str]:
    """This process's environment with the test database instead of the developer's."""
    url = urlsplit(os.environ["DATABASE_URL"])
    name = str(connection.settings_dict["NAME"])
    return {**os.environ, "DATABASE_URL": urlunsplit(url._replace(path=f"/{name}")), "LOG_LEVEL": "warn", **changes}


@contextmanager
def program(
    *arguments: str, log: IO[Any] | None = None, folder: Path = ROOT, **variables: str
) -> Iterator[subprocess.Popen]:
    """A Python program as a process of its own, asked to stop at the end and made to if it does not. What it says goes
    into `log`, if there is one. `folder` is another checkout of this project."""
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, env=environment(**variables), stdout=log, stderr=log
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def web_server(
    application: str = "homeproductions.wsgi", *, workers: int = 3, log: IO[Any] | None = None, **variables: str
) -> Iterator[str]:
    """gunicorn as in production on a free port. Yields its address once it is healthy."""
    port = free_port()
    command = ("-m", "gunicorn", application, "--bind", f"127.0.0.1:{port}", "--workers", str(workers))
    with program(*command, log=log, PORT=str(port), **variables) as process:
        address = f"http://127.0.0.1:{port}"
        wait_until_healthy(address, process)
        yield address


def wait_until_healthy(address: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, "the web server stopped by itself"
        try:
            if requests.get(f"{address}/health", timeout=5).ok:
                return
        except (requests.ConnectionError, requests.Timeout):
            time.sleep(0.1)
    raise AssertionError("the web server did not become healthy")


def process_outbox(**variables: str) -> None:
    """Run the real command once, as cron would."""
    subprocess.run([sys.executable, "manage.py", "process_outbox"], cwd=ROOT, env=environment(**variables), check=True)
