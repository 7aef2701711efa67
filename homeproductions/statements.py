"""SQL of our own where a round trip or the making of a query counts: rows that are added or changed within one
statement (together or not at all, and under its locks for no longer than they are needed)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any, cast

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models import Model
from django.db.models.expressions import DatabaseDefault

Part = tuple[str, list[Any]]
Values = Sequence[Any] | Mapping[str, Any]


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


def with_parts(first: Part, name: str, more: Iterable[Model | Part], result: str) -> Part:
    """`first`, called `name`, the rows inserted from it, statements that go along with it, and what is asked of it:
    `SELECT result FROM name`."""
    rest = (insert_from(name, each) if isinstance(each, Model) else each for each in more)
    parts = [(name, first), *((f"part{place}", part) for place, part in enumerate(rest))]
    sql = ", ".join(f"{title} AS ({text})" for title, (text, _) in parts)
    return f"WITH {sql} SELECT {result} FROM {name}", [value for _, (_, values) in parts for value in values]  # noqa: S608 (our own parts)


def update_of(row: Model, *names: str) -> Part:
    """`UPDATE ... RETURNING id`: these fields of the row as they are in memory."""
    connection = connections[DEFAULT_DB_ALIAS]
    fields = [cast(Any, row._meta.get_field(name)) for name in names]
    values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
    return _update(row._meta.db_table, tuple(str(field.column) for field in fields)), [*values, row.pk]


@cache
def _update(table: str, columns: tuple[str, ...]) -> str:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    changes = ", ".join(f"{quote(column)} = %s" for column in columns)
    return f"UPDATE {quote(table)} SET {changes} WHERE id = %s RETURNING id"  # noqa: S608 (names from our models)


def rows(sql: str, values: Values) -> list[Any]:
    """Execute one statement and return its rows."""
    cursor = _execute(sql, values)
    return cursor.fetchall() if cursor.rownumber is not None else []


def run(sql: str, values: Values) -> Any:
    """Execute one statement and return its first row, None without one."""
    found = rows(sql, values)
    return found[0] if found else None


def change(sql: str, values: Values) -> int:
    """Execute one statement and return how many rows it changed."""
    changed: int = _execute(sql, values).rowcount
    return changed


def _execute(sql: str, values: Values) -> Any:
    connection: Any = connections[DEFAULT_DB_ALIAS]
    return connection.execute(sql, values)


def insert_or_ignore(row: Model) -> bool:
    """Insert the unsaved row in one round trip, unless there is one that it collides with. Whether it did."""
    sql, values = insert_from("(SELECT) AS once", row)
    is_new = change(f"{sql} ON CONFLICT DO NOTHING", values) > 0
    if is_new:
        saved(row)
    return is_new


def saved(row: Model) -> None:
    """Tell the row that it is in the database now. What only the database knows of it is read when somebody asks."""
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
    for name in [name for name, value in vars(row).items() if isinstance(value, DatabaseDefault)]:
        del row.__dict__[name]
