"""Rows that are inserted within another statement: together or not at all, in one round trip, and under its locks for
no longer than they are needed."""

from typing import Any

from django.db import connection
from django.db.models import Model
from django.db.models.expressions import DatabaseDefault

Part = tuple[str, list[Any]]


def insert_from(source: str, row: Model) -> Part:
    """`INSERT ... SELECT ... FROM source`: the unsaved row for each row of `source`, so none where that has none.

    Columns whose value only the database knows are left to it. `source` is a name from our own code, not a value.
    """
    columns, values = [], []
    for field in row._meta.concrete_fields:
        value = field.pre_save(row, add=True)
        if not isinstance(value, DatabaseDefault):
            columns.append(connection.ops.quote_name(str(field.column)))
            values.append(field.get_db_prep_save(value, connection))
    table = connection.ops.quote_name(row._meta.db_table)
    marks = ", ".join(["%s"] * len(values))
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {marks} FROM {source}", values  # noqa: S608


def with_parts(first: Part, name: str, rows: list[Model], result: str) -> Part:
    """`first`, called `name`, the rows inserted from it, and what is asked of it: `SELECT result FROM name`."""
    parts = [(name, first), *((f"row{place}", insert_from(name, row)) for place, row in enumerate(rows))]
    sql = ", ".join(f"{title} AS ({text})" for title, (text, _) in parts)
    return f"WITH {sql} SELECT {result} FROM {name}", [value for _, (_, values) in parts for value in values]  # noqa: S608


def saved(row: Model) -> None:
    """Tell the row that it is in the database now."""
    row._state.adding, row._state.db = False, connection.alias
