"""Looks for texts in every column of every table, as somebody would who searches a dump."""

from collections.abc import Iterable, Iterator

from django.db import connection
from psycopg import sql

READABLE = ("character varying", "character", "text", "json", "jsonb", "inet", "ARRAY", "bytea")
COLUMNS = """
    SELECT table_name, column_name, data_type FROM information_schema.columns
    JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' AND data_type = ANY(%s)
    ORDER BY table_name, ordinal_position
"""


def find(texts: Iterable[str]) -> list[str]:
    """Where one of the texts still stands, in whatever case: `orders.buyer_name: 2 rows`. Reads the whole database."""
    patterns = [f"%{_literally(text.lower())}%" for text in texts if text.strip()]
    return [f"{place}: {count} row{'s' * (count > 1)}" for place, count in _found(patterns) if count]


def _found(patterns: list[str]) -> Iterator[tuple[str, int]]:
    if not patterns:
        return
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS, [list(READABLE)])
        for table, column, kind in cursor.fetchall():
            cursor.execute(_query(table, column, kind), [patterns])
            yield f"{table}.{column}", cursor.fetchone()[0]


def _query(table: str, column: str, kind: str) -> sql.Composed:
    # Bytes beyond ASCII are written as numbers, so names with accents in a stored notice are not found here.
    text = sql.SQL("encode({}, 'escape')" if kind == "bytea" else "{}::text").format(sql.Identifier(column))
    query = sql.SQL("SELECT count(*) FROM {} WHERE lower({}) LIKE ANY(%s)")
    return query.format(sql.Identifier(table), text)


def _literally(text: str) -> str:
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
