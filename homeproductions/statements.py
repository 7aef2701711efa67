"""SQL of our own where a round trip or the making of a query counts: rows that are inserted within another statement
(together or not at all, and under its locks for no longer than they are needed), and rows that are asked for all the
time."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models import Model
from django.db.models.expressions import DatabaseDefault

Part = tuple[str, list[Any]]
Row = TypeVar("Row", bound=Model)
Other = TypeVar("Other", bound=Model)


def insert_from(source: str, row: Model) -> Part:
    """`INSERT ... SELECT ... FROM source`: the unsaved row for each row of `source`, so none where that has none.

    Columns that hold nothing, or what only the database knows, are left to it. `source` is a name from our own code,
    not a value.
    """
    held = vars(row)
    columns, values = [], []
    for attribute, column, prepare in _columns(type(row)):
        value = held[attribute]
        if value is not None and not isinstance(value, DatabaseDefault):
            columns.append(column)
            values.append(prepare(value) if prepare else value)
    return _insert(source, row._meta.db_table, tuple(columns)), values


# Of these the driver knows itself how to write what a row holds; asking Django about each took as long as writing it.
WRITTEN_AS_THEY_ARE = (
    models.UUIDField,
    models.CharField,
    models.TextField,
    models.IntegerField,
    models.BooleanField,
    models.DecimalField,
    models.DateTimeField,
    models.GenericIPAddressField,
    models.ForeignKey,
)


@cache
def _columns(model: type[Model]) -> list[tuple[str, str, Callable[[Any], Any] | None]]:
    """Each attribute of a row, its column, and what its value needs before it is written, if anything."""
    connection = connections[DEFAULT_DB_ALIAS]
    found: list[tuple[str, str, Callable[[Any], Any] | None]] = []
    for field in model._meta.concrete_fields:
        is_plain = isinstance(field, WRITTEN_AS_THEY_ARE)
        prepare = None if is_plain else partial(field.get_db_prep_save, connection=connection)
        found.append((field.attname, str(field.column), prepare))
    return found


@cache
def _insert(source: str, table: str, columns: tuple[str, ...]) -> str:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    names, marks = ", ".join(map(quote, columns)), ", ".join(["%s"] * len(columns))
    return f"INSERT INTO {quote(table)} ({names}) SELECT {marks} FROM {source}"  # noqa: S608 (names from our models)


def with_parts(first: Part, name: str, rows: list[Model], result: str) -> Part:
    """`first`, called `name`, the rows inserted from it, and what is asked of it: `SELECT result FROM name`."""
    parts = [(name, first), *((f"row{place}", insert_from(name, row)) for place, row in enumerate(rows))]
    sql = ", ".join(f"{title} AS ({text})" for title, (text, _) in parts)
    return f"WITH {sql} SELECT {result} FROM {name}", [value for _, (_, values) in parts for value in values]  # noqa: S608


def fetch_one(model: type[Row], condition: str, *values: Any) -> Row | None:
    """The row for which the condition (SQL of our own over one column that is unique) holds. For what is asked all
    the time: the ORM makes its SQL anew each time, and that takes longer than the answer."""
    row = run(f"SELECT {_columns_of(model)} FROM {_table(model)} WHERE {condition}", values)  # noqa: S608 (our names)
    return model.from_db(DEFAULT_DB_ALIAS, _names(model), row) if row is not None else None


def fetch_beside(
    model: type[Row], condition: str, beside: type[Other], link: str, *values: Any
) -> tuple[Row | None, Other | None]:
    """`fetch_one`, and the one row of `beside` whose column `link` names it, if there is one."""
    joined = f"{_table(model)} LEFT JOIN {_table(beside)} ON {_table(beside)}.{link} = {_table(model)}.id"
    columns = f"{_columns_of(model)}, {_columns_of(beside)}"
    row = run(f"SELECT {columns} FROM {joined} WHERE {_table(model)}.{condition}", values)  # noqa: S608 (our names)
    if row is None:
        return None, None
    split = len(_names(model))
    found = model.from_db(DEFAULT_DB_ALIAS, _names(model), row[:split])
    return found, beside.from_db(DEFAULT_DB_ALIAS, _names(beside), row[split:]) if row[split] is not None else None


@cache
def _table(model: type[Model]) -> str:
    return connections[DEFAULT_DB_ALIAS].ops.quote_name(model._meta.db_table)


@cache
def _columns_of(model: type[Model]) -> str:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    return ", ".join(f"{_table(model)}.{quote(str(field.column))}" for field in model._meta.concrete_fields)


@cache
def _names(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


def run(sql: str, values: Sequence[Any]) -> Any:
    """Execute one statement and return its first row, None without one."""
    connection: Any = connections[DEFAULT_DB_ALIAS]
    return connection.run(sql, values)


def insert_or_ignore(row: Model) -> None:
    """Insert the unsaved row in one round trip, unless there is one that it collides with."""
    sql, values = insert_from("(SELECT) AS once", row)
    run(f"{sql} ON CONFLICT DO NOTHING", values)


def saved(row: Model) -> None:
    """Tell the row that it is in the database now."""
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
