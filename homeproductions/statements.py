"""SQL of our own where a round trip or the making of a query counts: rows that are inserted within another statement
(together or not at all, and under its locks for no longer than they are needed), and rows that are asked for or changed
all the time."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, TypeVar, cast

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model
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


def with_parts(first: Part, name: str, more: Iterable[Model | Part], result: str) -> Part:
    """`first`, called `name`, the rows inserted from it, statements that go along with it, and what is asked of it:
    `SELECT result FROM name`."""
    rest = (insert_from(name, each) if isinstance(each, Model) else each for each in more)
    parts = [(name, first), *((f"part{place}", part) for place, part in enumerate(rest))]
    sql = ", ".join(f"{title} AS ({text})" for title, (text, _) in parts)
    return f"WITH {sql} SELECT {result} FROM {name}", [value for _, (_, values) in parts for value in values]  # noqa: S608


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


def fetch_one(model: type[Row], condition: str, *values: Any, beside: str = "") -> Row | None:
    """The row for which the condition (SQL of our own over columns that are unique) holds. For what is asked all the
    time: the ORM makes its SQL anew each time, and that takes longer than the answer.

    `beside` names a foreign key, never empty, whose row comes along; both tables keep their names in the condition.
    """
    sql, readers = _select(model, condition, beside)
    found = run(sql, values)
    if found is None:
        return None
    first, *others = (_read(reader, found) for reader in readers)
    for other in others:
        setattr(first, beside, other)
    return cast(Row, first)


def fetch_all(model: type[Row], condition: str, *values: Any) -> list[Row]:
    """The rows for which the condition holds."""
    sql, (reader,) = _select(model, condition)
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(sql, values)
        return [_read(reader, found) for found in cursor.fetchall()]


Reader = tuple[type[Any], list[str], slice]


def _read(reader: Reader, found: Sequence[Any]) -> Any:
    model, names, place = reader
    return model.from_db(DEFAULT_DB_ALIAS, names, found[place])


@cache
def _select(model: type[Model], condition: str, beside: str = "") -> tuple[str, list[Reader]]:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    table = source = quote(model._meta.db_table)
    models = [model]
    if beside:
        key: Any = model._meta.get_field(beside)
        models.append(key.related_model)
        other = quote(key.related_model._meta.db_table)
        source += f" JOIN {other} ON {other}.id = {table}.{quote(key.column)}"
    columns, readers = _columns(*models)
    return f"SELECT {columns} FROM {source} WHERE {condition}", readers  # noqa: S608 (names from our models)


def change_one(model: type[Row], changes: str, condition: str, *values: Any) -> Row | None:
    """Change the row for which the condition holds, and return it as it is then."""
    sql, (reader,) = _change(model, changes, condition)
    found = run(sql, values)
    return _read(reader, found) if found is not None else None


@cache
def _change(model: type[Model], changes: str, condition: str) -> tuple[str, list[Reader]]:
    table = connections[DEFAULT_DB_ALIAS].ops.quote_name(model._meta.db_table)
    columns, readers = _columns(model)
    return f"UPDATE {table} SET {changes} WHERE {condition} RETURNING {columns}", readers  # noqa: S608 (from our code)


def _columns(*models: type[Model]) -> tuple[str, list[Reader]]:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    columns: list[str] = []
    readers: list[Reader] = []
    for model in models:
        # What the ORM would have to convert is left to it: it is read when somebody asks for it.
        fields = [field for field in model._meta.concrete_fields if not hasattr(field, "from_db_value")]
        place = slice(len(columns), len(columns) + len(fields))
        readers.append((model, [field.attname for field in fields], place))
        columns += [f"{quote(model._meta.db_table)}.{quote(str(field.column))}" for field in fields]
    return ", ".join(columns), readers


def run(sql: str, values: Sequence[Any]) -> Any:
    """Execute one statement and return its first row, None without one."""
    # Not prepared on the server: that was no faster, and breaks behind PgBouncer.
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()


def change(sql: str, values: Sequence[Any]) -> int:
    """Execute one statement and return how many rows it changed."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.rowcount


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
