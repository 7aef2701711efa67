"""Django's `migrate`, for a database that is being used: once at a time, and no sale waits long for it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from psycopg.errors import DeadlockDetected, LockNotAvailable

TRIES = 30
IN_USE = (LockNotAvailable, DeadlockDetected)
PAUSE = 2.0  # seconds, in which everybody who waited behind us gets their turn
# Two releases may start at once: the second waits for the first, and then finds nothing to do.
TURN_LOCK = 0x686F6D65  # this program's number among the advisory locks of a database
TURN_PATIENCE = 600.0  # seconds
NEXT_LOOK = 0.5  # seconds


class Command(migrate.Command):
    """Each migration waits only moments for its locks (postgresql/schema.py). One that got none is tried again, and
    those before it are done. An index that is built concurrently takes its time, and nobody waits behind it."""

    def handle(self, *arguments: Any, **options: Any) -> str | None:
        """Raises CommandError when another migration does not end, or when a table was in use all the time."""
        if options["plan"] or options["check_unapplied"]:
            return super().handle(*arguments, **options)
        with self._turn(options["database"]):
            return self._until_done(*arguments, **options)

    def _until_done(self, *arguments: Any, **options: Any) -> str | None:
        for left in reversed(range(TRIES)):
            try:
                return super().handle(*arguments, **options)
            except OperationalError as error:
                if not isinstance(error.__cause__, IN_USE):
                    raise
                if not left:
                    raise CommandError(
                        "A table is in use all the time, so it was not changed. Migrations before it are applied, and "
                        "nothing is half done. Look for long transactions (pg_stat_activity) and run this again."
                    ) from error
                self.stderr.write("a table is in use; trying again")
            time.sleep(PAUSE)
        return None

    @contextmanager
    def _turn(self, database: str) -> Iterator[None]:
        """Nobody else migrates this database meanwhile. The lock belongs to an open transaction of a connection of its
        own, so it ends with this process however that ends, and PgBouncer hands it to nobody else."""
        own = connections[database].copy()
        own.set_autocommit(False)
        try:
            self._take_turn(own)
            yield
        finally:
            own.close()

    def _take_turn(self, own: Any) -> None:
        deadline, said = time.monotonic() + TURN_PATIENCE, False
        with own.cursor() as cursor:
            while not cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [TURN_LOCK]).fetchone()[0]:
                if time.monotonic() > deadline:
                    raise CommandError("Another migration of this database does not end: look what it waits for.")
                if not said:
                    self.stderr.write("another migration of this database runs; waiting for it")
                said = True
                time.sleep(NEXT_LOOK)
