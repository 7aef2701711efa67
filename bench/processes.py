"""Starts the programs that are measured, each in a process group of its own, and ends all of them."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import requests

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 30  # seconds, for what takes two on an idle machine
QUIET = 0.25  # seconds
Environment = dict[str, str]


class BenchError(RuntimeError):
    """The benchmark cannot go on. The message says why, to whoever runs it."""


@contextmanager
def running(command: list[str], environment: Environment, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program for the length of a block. It has its own group: Ctrl-C reaches it only through us."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End the process and whatever it has started: politely, then for certain."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def manage(command: str, environment: Environment) -> str:
    """Run a command of manage.py to its end and return what it prints. Raises BenchError if it fails."""
    done = subprocess.run(
        [sys.executable, "manage.py", *command.split()],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"manage.py {command} failed.\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def web_server(environment: Environment, log: Path, application: str = "homeproductions.wsgi") -> Iterator["WebServer"]:
    """What Procfile says under `web`, perhaps with another application, on a free port."""
    port = free_port()
    with running(web_command(application), {**environment, "PORT": str(port)}, log) as process:
        server = WebServer(f"http://127.0.0.1:{port}", process, log)
        server.wait_until_it_answers()
        yield server


def web_command(application: str) -> list[str]:
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    # Through the interpreter: the path in a console script's first line breaks when the checkout moves.
    words = [sys.executable, "-m", *shlex.split(lines["web"])]
    return [application if word == "homeproductions.wsgi" else word for word in words]


class WebServer:
    """A gunicorn that runs: its address and its processes."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.url = url
        self.process = process
        self.log = log
        self.is_warm = False

    def wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(requests.ConnectionError, requests.Timeout):
                if requests.get(f"{self.url}/health", timeout=5).ok:
                    return
            time.sleep(0.05)
        raise BenchError(f"The web server is not up.\n{last_words(self.log)}")

    def settle(self) -> None:
        """Wait until it has done the requests whose callers have left: its processes use next to no time any more."""
        used = [self._time_used()]
        for _ in range(int(PATIENCE / QUIET)):
            time.sleep(QUIET)
            used.append(self._time_used())
            # Twice, for on a busy machine they may have to wait for their turn.
            if len(used) > 2 and used[-1] - used[-3] < QUIET / 10:
                return

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def _time_used(self) -> float:
        """Processor seconds of the workers. One that was replaced meanwhile counts as work."""
        return sum(sum(worker.cpu_times()[:2]) for worker in self.workers())


def last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join([f"{log} ends with:", *lines[-15:]])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
