"""Signs of life of the outbox: when a worker was last here, and how long the oldest mail has been waiting.

All by the database's clock: workers and web servers may run on hosts that disagree about the time.
"""

from dataclasses import dataclass
from datetime import timedelta

from homeproductions import chores
from homeproductions.statements import change, run

from .models import WorkerHeartbeat

BEAT_EVERY = timedelta(seconds=10)
# Cron starts a worker every few minutes, a loop is here every 30 seconds.
SILENT_AFTER = timedelta(minutes=10)

BEAT = """
INSERT INTO worker_heartbeat (worker, beat_at) VALUES (%s, statement_timestamp())
ON CONFLICT (worker) DO UPDATE SET beat_at = excluded.beat_at
"""
# Three looks at the ends of indexes, whatever the tables hold: `/health` is open to everybody. A mail that a worker has
# in hand is not sent yet.
SIGNS = """
SELECT extract(epoch FROM statement_timestamp() - least(
           (SELECT min(created_at) FROM email_outbox WHERE status = 'pending'),
           (SELECT min(created_at) FROM email_outbox WHERE status = 'processing')
       ))::float8,
       extract(epoch FROM statement_timestamp() - (SELECT beat_at FROM worker_heartbeat WHERE worker = %s))::float8
"""


@dataclass(frozen=True)
class Signs:
    """In seconds: since the oldest mail that is not sent yet was promised (None: all are sent), and since a worker was
    last alive (None: none ever was)."""

    oldest_unsent: float | None
    last_beat: float | None

    @property
    def is_worker_silent(self) -> bool:
        return self.last_beat is None or self.last_beat > SILENT_AFTER.total_seconds()


def beat() -> None:
    """Note that a worker is alive."""
    change(BEAT, (WorkerHeartbeat.OUTBOX,))


def signs() -> Signs:
    """The signs of life at this moment, in one round trip. Raises a database error."""
    oldest, last = run(SIGNS, (WorkerHeartbeat.OUTBOX,))
    return Signs(_age(oldest), _age(last))


def _age(seconds: float | None) -> float | None:
    """Never negative: what was noted after this statement had begun is new."""
    return None if seconds is None else max(0.0, float(seconds))


chores.register("note that the worker is alive", BEAT_EVERY, beat)
