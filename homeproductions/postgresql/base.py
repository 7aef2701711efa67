"""Django's PostgreSQL backend. It finds out in another way whether a kept connection still works, and has a short way
for the few statements that are sent all the time."""

import select
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.conf import settings
from django.db import NotSupportedError, OperationalError
from django.db.backends.postgresql import base
from psycopg.errors import FeatureNotSupported

from .schema import PatientSchemaEditor

Values = Sequence[Any] | Mapping[str, Any]
# What is sent so many times over a connection is prepared.
PREPARE_AFTER = 3


class DatabaseWrapper(base.DatabaseWrapper):
    SchemaEditorClass = PatientSchemaEditor

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        return {**params, "prepare_threshold": PREPARE_AFTER if settings.DATABASE_PREPARE else None}

    def is_usable(self) -> bool:
        """Asking the server, as Django does, is a round trip before each request. A server that stops or restarts hangs
        up, and that is seen on the socket for nothing. That bought a tenth of the time of an order."""
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN | select.POLLERR | select.POLLHUP)
        # Something to read although nothing was asked: a farewell, or news that do not matter.
        return not poll.poll(0) or super().is_usable()

    def execute(self, sql: str, values: Values) -> Any:
        """Execute one statement; its rows and their number are asked of what it returns.

        Without the cursors that Django wraps around the driver's, with the values apart from the text, and prepared
        where the settings allow it: that takes a third of the processor's time, here and in the server.
        """
        if self.queries_logged:  # whoever watches sees it
            watched = self.cursor()
            watched.execute(sql, values)
            return watched
        try:
            return self._execute(sql, values)
        except NotSupportedError as error:
            if not isinstance(error.__cause__, FeatureNotSupported):
                raise
            return self._execute_anew(sql, values)

    def _execute(self, sql: str, values: Values) -> Any:
        self.close_if_health_check_failed()
        self.ensure_connection()
        self.validate_thread_sharing()
        self.validate_no_broken_transaction()
        with self.wrap_database_errors:
            return psycopg.Cursor(self.connection).execute(sql, values)

    def _execute_anew(self, sql: str, values: Values) -> Any:
        """A new release has changed the type of a column since the statement was prepared. A new connection knows
        nothing of that. Raises OperationalError in a transaction, which cannot go on."""
        if self.in_atomic_block:
            self.close_at = 0.0  # as soon as the request is over
            raise OperationalError("what was prepared is out of date")
        self.close()
        return self._execute(sql, values)
