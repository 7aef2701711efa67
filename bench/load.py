"""Load by wrk: prepared requests over some connections for some seconds, and what came back."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .processes import BenchError, WebServer

CONNECTIONS = 16
SCRIPT = Path(__file__).with_name("requests.lua")
MISSING = "The benchmark needs wrk, which is not installed. On Debian and Ubuntu: apt-get install wrk"


@dataclass(frozen=True)
class Request:
    """One HTTP request as it goes over the wire, prepared ahead so that sending it costs next to nothing."""

    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    def raw(self) -> bytes:
        headers = [("Host", "127.0.0.1"), ("User-Agent", "Mozilla/5.0"), *self.headers]
        if self.method == "POST":
            headers += [("Content-Type", "application/json"), ("Content-Length", str(len(self.body)))]
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


@dataclass(frozen=True)
class Measurement:
    """What one run brought: `done` counts the answers that were expected, `accepted` those below 400, `errors` all that
    should not have happened, `dropped` the connections that the server closed. `is_short`: it missed something besides
    its rate, as `note` says."""

    rate: float
    done: int
    accepted: int = 0
    p50: float | None = None  # milliseconds
    p99: float | None = None
    errors: int = 0
    dropped: int = 0
    note: str = ""
    is_short: bool = False


class Requests:
    """A file of prepared requests, sent in their order; `next` remembers which were sent already."""

    def __init__(self, folder: Path, requests: Sequence[Request], *, refused: int = 0, is_once: bool = False) -> None:
        """`refused`: the status that is expected instead of success. `is_once`: none may be sent a second time."""
        self.refused = refused
        self.next = 0
        self.limit = len(requests) if is_once else None
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".requests", delete=False) as file:
            self.path = Path(file.name)
            for request in requests:
                raw = request.raw()
                file.write(b"%d\n%s" % (len(raw), raw))


def post(path: str, content: Any, headers: Sequence[tuple[str, str]] = ()) -> Request:
    return Request("POST", path, json.dumps(content).encode(), tuple(headers))


def wrk_program() -> str:
    """Raises BenchError saying how to get it."""
    found = shutil.which("wrk")
    if found is None:
        raise BenchError(MISSING)
    return found


def load(
    server: WebServer, requests: Requests, seconds: int, *, connections: int = CONNECTIONS, pause: int = 0
) -> Measurement:
    """Send the requests round and round for so many seconds. Each connection waits about `pause` milliseconds before
    it asks again."""
    command = [
        wrk_program(),
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        "30s",
        "-s",
        str(SCRIPT),
        server.url,
    ]
    command += ["--", str(requests.path), str(requests.next), str(requests.refused), str(pause)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    server.settle()
    if done.returncode or "{" not in done.stdout:
        raise BenchError(f"wrk failed.\n{done.stdout}{done.stderr}")
    found = json.loads(done.stdout[done.stdout.rindex("{") :])
    requests.next += found["requests"] + connections
    if requests.limit is not None and requests.next > requests.limit:
        raise BenchError("There are not enough orders for so fast a server: take fewer --seconds or more --orders.")
    return _measurement(found, is_refusal_expected=bool(requests.refused))


def _measurement(found: dict[str, Any], *, is_refusal_expected: bool) -> Measurement:
    accepted = found["requests"] - found["above399"]
    good = found["expected"] if is_refusal_expected else accepted
    return Measurement(
        rate=good / found["seconds"],
        done=good,
        accepted=accepted,
        p50=found["p50"] / 1000,
        p99=found["p99"] / 1000,
        errors=found["requests"] - good + found["connect"] + found["timeout"],
        # gunicorn replaces a worker after 20 000 requests, and its idle connections end with it.
        dropped=found["read"] + found["write"],
    )


def warmed_up(server: WebServer, requests: Requests, seconds: int, *, connections: int = CONNECTIONS) -> Measurement:
    """`load`, after a second that does not count where the server is cold. `done` has that too: the database has as
    well what it changed."""
    if server.is_warm:
        return load(server, requests, seconds, connections=connections)
    server.is_warm = True
    before = load(server, requests, 1, connections=connections)
    measured = load(server, requests, seconds, connections=connections)
    return replace(
        measured,
        done=before.done + measured.done,
        errors=before.errors + measured.errors,
        dropped=before.dropped + measured.dropped,
    )
