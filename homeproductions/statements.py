"""SQL of our own where a round trip or the making of a query counts: rows that are inserted within another statement
(together or not at all, and under its locks for no longer than they are needed), and rows that are asked for all the
time."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Expression, Model, QuerySet
from django.db.models.expressions import DatabaseDefault

Part = tuple[str, list[Any]]
Row = TypeVar("Row", bound=Model)


def insert_from(source: str, row: Model) -> Part:
    """`INSERT ... SELECT ... FROM source`: the unsaved row for each row of `source`, so none where that has none.

    Columns that hold nothing, or what only the database knows, are left to it. `source` is a name from our own code,
    not a value.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    columns, values = [], []
    for field in row._meta.concrete_fields:
        value = field.pre_save(row, add=True)
        if value is not None and not isinstance(value, DatabaseDefault):
            columns.append(str(field.column))
            values.append(field.get_db_prep_save(value, connection))
    return _insert(source, row._meta.db_table, tuple(columns)), values


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
    sql, names = _select(model, condition)
    row = run(sql, values)
    return model.from_db(DEFAULT_DB_ALIAS, names, row) if row is not None else None


@cache
def _select(model: type[Model], condition: str) -> tuple[str, list[str]]:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    fields = model._meta.concrete_fields
    columns = ", ".join(quote(str(field.column)) for field in fields)
    table = quote(model._meta.db_table)
    return f"SELECT {columns} FROM {table} WHERE {condition}", [field.attname for field in fields]  # noqa: S608


class Asked(Expression):
    """In a query that is `made_once`: the place of a value that comes each time it is asked."""

    def __init__(self, name: str, output_field: Any) -> None:
        super().__init__(output_field=output_field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", (self,)


def made_once(query: QuerySet[Any, Any]) -> Part:
    """The query as `fetch_page` takes it, to be kept: the ORM needs longer to make a large one than PostgreSQL to
    answer it."""
    sql, values = query.query.sql_with_params()
    return sql, list(values)


def fetch_page(made: Part, asked: Mapping[str, Any], *, limit: int, offset: int) -> list[Any]:
    """The values of so many rows, as `values_list` gives them, with `asked` in the places of that name."""
    sql, values = made
    put = [asked[value.name] if isinstance(value, Asked) else value for value in values]
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(f"{sql} LIMIT %s OFFSET %s", [*put, limit, offset])
        return cursor.fetchall()


def run(sql: str, values: Sequence[Any]) -> Any:
    """Execute one statement and return its first row, None without one."""
    # Not prepared on the server: that was no faster, and breaks behind PgBouncer.
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()


def insert_or_ignore(row: Model) -> None:
    """Insert the unsaved row in one round trip, unless there is one that it collides with."""
    sql, values = insert_from("(SELECT) AS once", row)
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(f"{sql} ON CONFLICT DO NOTHING", values)


def saved(row: Model) -> None:
    """Tell the row that it is in the database now."""
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
