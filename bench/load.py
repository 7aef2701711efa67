"""Load by wrk: prepared requests over some connections for some seconds, and what came back."""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .processes import BenchError

CONNECTIONS = 16
SETTLING = 0.5  # seconds for the requests in flight when a load ends
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
    """What one run brought. `done` counts the good answers; `errors` all that should not have happened."""

    rate: float
    done: int
    p50: float | None = None  # milliseconds
    p99: float | None = None
    errors: int = 0
    note: str = ""


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


def load(url: str, requests: Requests, seconds: int, *, connections: int = CONNECTIONS) -> Measurement:
    """Send the requests round and round for so many seconds."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise BenchError(MISSING)
    threads = 1 if connections <= CONNECTIONS else 2
    command = [wrk, f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(SCRIPT), url]
    command += ["--", str(requests.path), str(requests.next), str(requests.refused)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or "{" not in done.stdout:
        raise BenchError(f"wrk failed.\n{done.stdout}{done.stderr}")
    found = json.loads(done.stdout[done.stdout.rindex("{") :])
    requests.next += found["requests"] + connections
    if requests.limit is not None and requests.next > requests.limit:
        raise BenchError("There are not enough orders for so fast a server: take fewer --seconds or more --orders.")
    return _measurement(found, is_refusal_expected=bool(requests.refused))


def _measurement(found: dict[str, Any], *, is_refusal_expected: bool) -> Measurement:
    good = found["expected"] if is_refusal_expected else found["requests"] - found["above399"]
    errors = found["requests"] - good + found["connect"] + found["read"] + found["write"] + found["timeout"]
    return Measurement(
        rate=good / found["seconds"], done=good, p50=found["p50"] / 1000, p99=found["p99"] / 1000, errors=errors
    )


def warmed_up(url: str, requests: Requests, seconds: int) -> Measurement:
    """`load` after a second that does not count, but for `done`: what it changed is in the database as well."""
    before = load(url, requests, 1)
    time.sleep(SETTLING)
    measured = load(url, requests, seconds)
    return replace(measured, done=before.done + measured.done, errors=before.errors + measured.errors)
