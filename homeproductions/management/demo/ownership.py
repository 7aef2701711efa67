"""Whose database is it? The demo fills an empty one, knows one that it has filled before, and leaves all others."""

from django.db import connection

from accounts.models import User
from audit.models import AuditLog
from events.models import Event
from gallery.models import Gallery
from newsletter.models import Subscriber
from orders.models import Order

from .staff import MARK

FILLED_BY_PEOPLE = (User, Event, Order, Gallery, Subscriber, AuditLog)


class ForeignDatabase(Exception):
    """The database holds something that is not the demo's. The text says what; nothing was changed."""


def refuse_foreign_database() -> None:
    """Raise ForeignDatabase unless the database is the demo's or empty. Works before anything is migrated."""
    tables = set(connection.introspection.table_names())
    if not tables or is_filled(tables):
        return
    if not _is_our_schema(tables):
        raise ForeignDatabase(f"it has tables of something else ({', '.join(sorted(tables)[:3])})")
    for model in FILLED_BY_PEOPLE:
        if model._meta.db_table in tables and _has_rows(model._meta.db_table):
            raise ForeignDatabase(f"there are {model._meta.verbose_name_plural} in it")


def is_filled(tables: set[str] | None = None) -> bool:
    """Whether a demo has filled this database."""
    if User._meta.db_table not in (tables or connection.introspection.table_names()):
        return False
    with connection.cursor() as cursor:
        # In SQL, since the table may still be that of an older version.
        cursor.execute("SELECT 1 FROM users WHERE email = %s", [MARK])
        return cursor.fetchone() is not None


def _is_our_schema(tables: set[str]) -> bool:
    """Whether the tables are this system's, by its migrations: some tables belong to no model."""
    if "django_migrations" not in tables:
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT app FROM django_migrations")
        return {model._meta.app_label for model in FILLED_BY_PEOPLE} <= {app for (app,) in cursor.fetchall()}


def _has_rows(table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {connection.ops.quote_name(table)} LIMIT 1")  # noqa: S608 (a model's name)
        return cursor.fetchone() is not None
