"""One demo at a time, and what it runs with: `demo_pay` in another terminal needs the same database and secrets.

The lock on the file is the truth. It ends with the process that holds it, however that dies; the text may be stale.
"""

import fcntl
import json
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil  # type: ignore[import-untyped]

FILE_NAME = "running.json"
PATIENCE = 30  # seconds; gunicorn gives requests in flight 20


@dataclass
class Claim:
    """The right to be the one demo of this folder, until `release()` or the end of the process."""

    file: IO[str]

    def note(self, **facts: Any) -> None:
        """Add to what other processes may know about this demo."""
        self._write(_read(self.file) | facts)

    def note_processes(self, pids: Iterable[int]) -> None:
        self.note(processes=[[pid, psutil.Process(pid).create_time()] for pid in pids])

    def release(self) -> None:
        if not self.file.closed:
            self._write({})
            self.file.close()

    def _write(self, facts: dict[str, Any]) -> None:
        self.file.seek(0)
        self.file.truncate()
        self.file.write(json.dumps(facts))
        self.file.flush()


def claim(folder: Path) -> Claim | None:
    """Become the one demo of this folder; None if another one runs. Ends what a killed demo has left running."""
    file = _open_privately(folder / FILE_NAME)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    for pid, started in _read(file).get("processes", []):
        _end_leftover(pid, started)
    mine = Claim(file)
    mine._write({})
    return mine


def look(folder: Path) -> dict[str, Any] | None:
    """What the running demo of this folder has noted; None if none runs."""
    with _open_privately(folder / FILE_NAME) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(file)
    return None


def end_group(pid: int) -> None:
    """End a process that leads a group of its own, and its group: politely, then for certain."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGTERM)
    with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
        psutil.Process(pid).wait(PATIENCE)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _end_leftover(pid: int, started: float) -> None:
    """Numbers of processes are used again: only one that started at the noted second is ours."""
    with suppress(psutil.Error):
        if abs(psutil.Process(pid).create_time() - started) < 1:
            end_group(pid)


def _read(file: IO[str]) -> dict[str, Any]:
    file.seek(0)
    try:
        return dict(json.loads(file.read()))
    except ValueError:
        return {}


def _open_privately(path: Path) -> IO[str]:
    """For reading and writing, made with mode 0600: it holds secrets."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8")
