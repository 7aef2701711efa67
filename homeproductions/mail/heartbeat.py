"""Signs of life of the outbox: when a worker was last here, how many loops go on, and how long the oldest mail has been
waiting.

All by the database's clock: workers and web servers may run on hosts that disagree about the time.
"""

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from django.db import Error

from homeproductions import chores
from homeproductions.statements import change, run

from .models import WorkerHeartbeat

BEAT_EVERY = timedelta(seconds=10)
# Cron starts a worker every few minutes, a loop is here every 30 seconds.
SILENT_AFTER = timedelta(minutes=10)
# The row of a loop that was killed has said what it had to say by then.
FORGOTTEN_AFTER = timedelta(hours=1)

# The row that all share, and the own one of a loop. Whoever clears away waits for nobody: workers that come back
# together after a long time would otherwise wait for each other.
BEAT = """
WITH gone AS (
    DELETE FROM worker_heartbeat WHERE worker IN (
        SELECT worker FROM worker_heartbeat
        WHERE worker <> ALL (%(names)s) AND beat_at < statement_timestamp() - %(forgotten_after)s
        FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO worker_heartbeat (worker, beat_at)
SELECT name, statement_timestamp() FROM unnest(%(names)s) WITH ORDINALITY AS names (name, place) ORDER BY place
ON CONFLICT (worker) DO UPDATE SET beat_at = excluded.beat_at
"""
FAREWELL = "DELETE FROM worker_heartbeat WHERE worker = %s"
# Three looks at the ends of indexes, whatever the tables hold: `/health` is open to everybody. A mail that a worker has
# in hand is not sent yet. The workers are a handful of rows.
SIGNS = """
SELECT extract(epoch FROM statement_timestamp() - least(
           (SELECT min(created_at) FROM email_outbox WHERE status = 'pending'),
           (SELECT min(created_at) FROM email_outbox WHERE status = 'processing')
       ))::float8,
       extract(epoch FROM statement_timestamp() - (
           SELECT beat_at FROM worker_heartbeat WHERE worker = %(all)s
       ))::float8,
       (SELECT count(*) FROM worker_heartbeat
        WHERE worker <> %(all)s AND beat_at >= statement_timestamp() - %(silent_after)s)
"""


@dataclass(frozen=True)
class Signs:
    """In seconds: since the oldest mail that is not sent yet was promised (None: all are sent), and since a worker was
    last alive (None: none ever was). `loops`: how many `process_outbox --loop` were alive of late and go on."""

    oldest_unsent: float | None
    last_beat: float | None
    loops: int = 0

    @property
    def is_worker_silent(self) -> bool:
        return self.last_beat is None or self.last_beat > SILENT_AFTER.total_seconds()


_loop: list[str] = []  # the name of the loop that this process is


@contextmanager
def of_a_loop() -> Iterator[None]:
    """Beats in this block are those of a worker of its own, which is counted until the block ends, or until it has been
    silent for too long: then it was killed, or it hangs."""
    _loop[:] = [_name()]
    try:
        yield
    finally:
        with suppress(Error):  # while the database is away it is found to be silent
            change(FAREWELL, _loop)
        _loop.clear()


def _name() -> str:
    """For people the host and the process. In containers the process is always 1, hosts of replicas differ at the end
    of their names, and those that share the machine's network not at all: so there is something of its own as well."""
    return f"{socket.gethostname()[-30:]}:{os.getpid()}:{secrets.token_hex(4)}"


def beat() -> None:
    """Note that a worker is alive."""
    change(BEAT, {"names": [WorkerHeartbeat.OUTBOX, *_loop], "forgotten_after": FORGOTTEN_AFTER})


def signs() -> Signs:
    """The signs of life at this moment, in one round trip. Raises a database error."""
    oldest, last, loops = run(SIGNS, {"all": WorkerHeartbeat.OUTBOX, "silent_after": SILENT_AFTER})
    return Signs(_age(oldest), _age(last), loops)


def _age(seconds: float | None) -> float | None:
    """Never negative: what was noted after this statement had begun is new."""
    return None if seconds is None else max(0.0, float(seconds))


chores.register("note that the worker is alive", BEAT_EVERY, beat)
