"""One database and the programs that work on it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg.rows import dict_row

from tests.processes import ROOT, environment, free_port, program, wait_until_healthy
from tests.signing import new_secret

PATIENCE = 120  # seconds, for what takes two on an idle machine
# A worker that has nothing to do looks again soon.
LOOP = ("manage.py", "process_outbox", "--loop", "--interval", "0.2")
# The same with one promise of the outbox broken.
CARELESS = ("-m", "tests.faults.careless_worker", *LOOP[1:])
GUNICORN = ("-m", "gunicorn")


@dataclass(frozen=True)
class Server:
    """A web server that runs: its address and its processes."""

    address: str
    process: subprocess.Popen

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()


@dataclass
class House:
    """What all programs of an evening have in common. `logs` gets what they say, `staff` opens the office's routes."""

    url: str
    logs: Path
    event: str
    tier: str
    staff: dict[str, str]
    secret: str = field(default_factory=new_secret)
    extra: dict[str, str] = field(default_factory=dict)

    def variables(self, **changes: str) -> dict[str, str]:
        """The environment of its programs, over that of this process."""
        own = {"DATABASE_URL": self.url, "PAYMENT_WEBHOOK_SECRETS": self.secret, "RATE_LIMIT_ENABLED": "0"}
        return {**own, **self.extra, **changes}

    @contextmanager
    def web(
        self,
        application: str = "homeproductions.wsgi",
        *,
        workers: int = 2,
        folder: Path = ROOT,
        entrance: tuple[str, ...] = GUNICORN,
        **variables: str,
    ) -> Iterator[Server]:
        """gunicorn as in production on a free port, once it is healthy."""
        port = free_port()
        command = (*entrance, application, "--bind", f"127.0.0.1:{port}", "--workers", str(workers))
        with (
            (self.logs / f"web{port}.log").open("ab") as log,
            program(*command, log=log, folder=folder, **self.variables(PORT=str(port), **variables)) as process,
        ):
            wait_until_healthy(f"http://127.0.0.1:{port}", process)
            yield Server(f"http://127.0.0.1:{port}", process)

    @contextmanager
    def worker(
        self, *, command: tuple[str, ...] = LOOP, folder: Path = ROOT, **variables: str
    ) -> Iterator[subprocess.Popen]:
        """The worker in its loop."""
        with (
            (self.logs / "worker.log").open("ab") as log,
            program(*command, log=log, folder=folder, **self.variables(**variables)) as process,
        ):
            yield process

    def manage(self, *command: str, folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command of manage.py to its end."""
        return subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=folder,
            env=environment(**self.variables(**variables)),
            capture_output=True,
            text=True,
            check=False,
        )

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(sql, values).fetchall()

    def value(self, sql: str, *values: Any) -> Any:
        """The one value of the one row."""
        [row] = self.rows(sql, *values)
        [value] = row.values()
        return value

    def execute(self, sql: str, *values: Any) -> int:
        """The number of rows that changed."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(sql, values).rowcount

    def said(self) -> str:
        """Everything the programs have logged so far."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.logs.glob("*.log")))
