"""Rows that are asked for all the time, by SQL that is made once: the ORM makes its own anew each time, and that takes
longer than the answer."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Expression, IntegerField, Model, QuerySet
from django.db.models.expressions import RawSQL

from .statements import Part, rows, run

Row = TypeVar("Row", bound=Model)
Other = TypeVar("Other", bound=Model)


def fetch_one(model: type[Row], condition: str, *values: Any) -> Row | None:
    """The row for which the condition (SQL of our own over columns that are unique) holds."""
    return fetch_with(model, (), condition, *values)


def fetch_all(model: type[Row], condition: str, *values: Any) -> list[Row]:
    """The rows for which the condition holds."""
    sql, _ = _select_with(model, ())
    return [made_of(model, found) for found in rows(f"{sql} WHERE {condition}", values)]


def fetch_beside(
    model: type[Row], condition: str, beside: type[Other], link: str, *values: Any
) -> tuple[Row | None, Other | None]:
    """`fetch_one`, and the one row of `beside` whose column `link` names it, if there is one. The condition names its
    table."""
    table, other = model._meta.db_table, beside._meta.db_table
    names = f"{columns(model, table)}, {columns(beside, other)}"
    sql = f"SELECT {names} FROM {table} LEFT JOIN {other} ON {other}.{link} = {table}.id WHERE {condition}"  # noqa: S608 (names from our models)
    found = run(sql, values)
    if found is None:
        return None, None
    split = len(model._meta.concrete_fields)
    return made_of(model, found[:split]), made_of(beside, found[split:]) if found[split] is not None else None


def fetch_with(model: type[Row], parents: tuple[str, ...], condition: str, *values: Any) -> Row | None:
    """`fetch_one` with the rows that it belongs to, as `select_related` brings them. The condition names its table."""
    sql, models = _select_with(model, parents)
    found = run(f"{sql} WHERE {condition}", values)
    if found is None:
        return None
    row, *others = _split(found, models)
    for name, parent in zip(parents, others, strict=True):
        setattr(row, name, parent)
    return row


@cache
def _select_with(model: type[Model], parents: tuple[str, ...]) -> tuple[str, list[Any]]:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    table = quote(model._meta.db_table)
    keys: list[Any] = [model._meta.get_field(name) for name in parents]
    models = [model, *(key.related_model for key in keys)]
    joins = [
        f" JOIN {quote(key.related_model._meta.db_table)} AS {quote(key.name)}"
        f" ON {quote(key.name)}.{quote(key.target_field.column)} = {table}.{quote(key.column)}"
        for key in keys
    ]
    names = ", ".join(map(columns, models, [model._meta.db_table, *parents]))
    return f"SELECT {names} FROM {table}{''.join(joins)}", models  # noqa: S608 (names from our models)


def change_one(model: type[Row], changes: str, condition: str, *values: Any) -> Row | None:
    """Change the row for which the condition holds, and return it as it is then."""
    table = model._meta.db_table
    sql = f"UPDATE {table} SET {changes} WHERE {condition} RETURNING {columns(model, table)}"  # noqa: S608 (our names)
    found = run(sql, values)
    return made_of(model, found) if found is not None else None


def _split(values: Sequence[Any], models: list[type[Model]]) -> list[Any]:
    rows, start = [], 0
    for model in models:
        end = start + len(model._meta.concrete_fields)
        rows.append(made_of(model, values[start:end]))
        start = end
    return rows


@cache
def columns(model: type[Model], table: str) -> str:
    """All columns of the model, out of the table or what goes by that name, for `made_of`."""
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    return ", ".join(f"{quote(table)}.{quote(str(field.column))}" for field in model._meta.concrete_fields)


def made_of(model: type[Row], values: Sequence[Any]) -> Row:
    """The row that has these values in its `columns`."""
    names, conversions = _reading(model)
    row = model.from_db(DEFAULT_DB_ALIAS, names, values)
    for name, convert in conversions:
        setattr(row, name, convert(getattr(row, name), None, connections[DEFAULT_DB_ALIAS]))
    return row


@cache
def _reading(model: type[Model]) -> tuple[list[str], list[tuple[str, Any]]]:
    """The names of the model's values, and how those are read that the database does not give as they are (JSON)."""
    fields = model._meta.concrete_fields
    conversions = [(field.attname, getattr(field, "from_db_value", None)) for field in fields]
    return [field.attname for field in fields], [(name, convert) for name, convert in conversions if convert]


class Asked(Expression):
    """In a query that is `made_once`: the place of a value that comes each time it is asked."""

    def __init__(self, name: str, output_field: Any) -> None:
        super().__init__(output_field=output_field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", (self,)


LIMIT, OFFSET = "limit", "offset"


def made_once(query: QuerySet[Any, Any]) -> Part:
    """The query as `fetch_page` takes it, to be kept: the ORM needs longer to make a large one than PostgreSQL to
    answer it."""
    sql, values = query.query.sql_with_params()
    return sql, list(values)


def page_of(query: QuerySet[Any, Any]) -> Part:
    """`made_once`, of so many rows from a place on; both come each time it is asked."""
    sql, values = made_once(query)
    whole = IntegerField()
    return f"{sql} LIMIT %s OFFSET %s", [*values, Asked(LIMIT, whole), Asked(OFFSET, whole)]


def ids_of_page(ids: QuerySet[Any, Any]) -> RawSQL:
    """`page_of` within a larger query: joins and sub-queries are then made for the rows of the page, not for all those
    before it."""
    sql, values = page_of(ids)
    return RawSQL(sql, values)  # noqa: S611 (made by the ORM)


def fetch_page(made: Part, asked: Mapping[str, Any], *, limit: int, offset: int) -> list[Any]:
    """The values of so many rows, as `values_list` gives them, with `asked` in the places of that name."""
    sql, values = made
    put = {**asked, LIMIT: limit, OFFSET: offset}
    return rows(sql, [put[value.name] if isinstance(value, Asked) else value for value in values])
