"""Django's `migrate`, for a database that is being used."""

import time
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError
from psycopg.errors import DeadlockDetected, LockNotAvailable

TRIES = 30
IN_USE = (LockNotAvailable, DeadlockDetected)
PAUSE = 2.0  # seconds, in which everybody who waited behind us gets their turn


class Command(migrate.Command):
    """Each migration waits only moments for its locks (postgresql/schema.py). One that got none is tried again, and
    those before it are done."""

    def handle(self, *arguments: Any, **options: Any) -> str | None:
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
