"""Looks for a person in every column of every table, as somebody would who searches a dump."""

import re
from collections.abc import Iterator

from django.db import connection
from psycopg import sql

from homeproductions.traces import Traces, folded, loosely, said_in

READABLE = ("character varying", "character", "text", "json", "jsonb", "inet", "ARRAY", "bytea")
COLUMNS = """
    SELECT table_name, column_name, data_type FROM information_schema.columns
    JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' AND data_type = ANY(%s)
    ORDER BY table_name, ordinal_position
"""
# A letter with an accent, or part of one: as it is, as JSON writes it, or as PostgreSQL writes bytes beyond ASCII.
ACCENTED = r"[^\u0001-\u007f]|\\+u[0-9a-f]{4}|\\+[0-7]{3}"
# Between two words of a name: a space, or the end of one JSON value and the beginning of the next.
BETWEEN_NAMES = ".{1,40}"


def find(traces: Traces) -> list[str]:
    """Where one of them still stands, however it is written: `orders.buyer_name: 2 rows`. Reads the whole database."""
    return [f"{place}: {count} row{'s' * (count > 1)}" for place, count in _found(traces.folded) if count]


def _found(traces: Traces) -> Iterator[tuple[str, int]]:
    pattern = "|".join(filter(None, _patterns(traces)))
    if not pattern:
        return
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS, [list(READABLE)])
        for table, column, kind in cursor.fetchall():
            cursor.execute(_query(table, column, kind), [pattern])
            yield f"{table}.{column}", sum(traces.are_in(folded(_read(stored))) for (stored,) in cursor)


def _query(table: str, column: str, kind: str) -> sql.Composed:
    """The rows that may hold one of them: the database knows neither JSON in bytes nor accents."""
    is_bytes = kind == "bytea"
    query = sql.SQL("SELECT {stored} FROM {table} WHERE {text} ~* %s")
    name = sql.Identifier(column)
    return query.format(
        table=sql.Identifier(table),
        stored=sql.SQL("{}" if is_bytes else "{}::text").format(name),
        text=sql.SQL("encode({}, 'escape')" if is_bytes else "{}::text").format(name),
    )


def _patterns(traces: Traces) -> Iterator[str]:
    """Regular expressions of PostgreSQL that find each of them in any of its spellings, and a few things more."""
    for email in traces.emails:
        yield loosely(email)
    for name in traces.names:
        yield BETWEEN_NAMES.join(map(_accented, re.findall(r"[^\W_]+", name)))
    for phone in traces.phones:
        yield rf"(?:\D|{ACCENTED}){{0,3}}".join(re.findall(r"\d", phone))


def _accented(word: str) -> str:
    """Each letter may have an accent, and ss may be one letter."""
    return "".join(f"(?:{letter}|{ACCENTED})+" for letter in re.sub(r"(.)\1+", r"\1", word))


def _read(stored: str | memoryview) -> str:
    return said_in(stored if isinstance(stored, str) else bytes(stored))
