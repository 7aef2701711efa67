"""Migrations that guests do not notice."""

from typing import Any, Self

from django.db.backends.postgresql.schema import DatabaseSchemaEditor

# Whoever changes a table waits until nobody uses it, and all who come later wait behind them: so not for long.
# `manage.py migrate` then tries again.
LOCK_TIMEOUT = "2s"


class PatientSchemaEditor(DatabaseSchemaEditor):
    """Gives up when a lock is not to be had in LOCK_TIMEOUT, with OperationalError; nothing of the migration has
    happened then. Within its transaction, so that the connection is afterwards as it was, whoever may share it."""

    def __enter__(self) -> Self:
        editor: Any = super().__enter__()
        if self.atomic_migration and not self.collect_sql:
            with self.connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        return editor
