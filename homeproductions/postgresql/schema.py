"""Migrations that guests do not notice."""

from typing import Any, Self

from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from django.db.models import Index, Model

# Whoever changes a table waits until nobody uses it, and all who come later wait behind them: so not for long.
# `manage.py migrate` then tries again.
LOCK_TIMEOUT = "2s"


class PatientSchemaEditor(DatabaseSchemaEditor):
    """Gives up when a lock is not to be had in LOCK_TIMEOUT, with OperationalError; nothing of the migration has
    happened then. Within its transaction, so that the connection is afterwards as it was, whoever may share it.

    What it then does under the lock should take moments, however large the table is: an index is built concurrently,
    in a migration that is not atomic.
    """

    def __enter__(self) -> Self:
        editor: Any = super().__enter__()
        if self.atomic_migration and not self.collect_sql:
            with self.connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        return editor

    def add_index(self, model: type[Model], index: Index, concurrently: bool = False) -> None:
        """One that is built concurrently holds up nobody, and nobody waits behind it. What an attempt that was
        interrupted has left, ready or not, goes first, so that the migration may be run again."""
        if concurrently:
            self.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {self.quote_name(index.name)}")
        super().add_index(model, index, concurrently=concurrently)
