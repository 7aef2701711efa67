"""What a request asks for: its body (contract 1.2) and its query, read strictly and refused by name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, ClassVar
from uuid import UUID

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.request import Request

from .errors import Invalid, LengthRequired, MissingFields, Refused


class RequestBody(serializers.Serializer[Any]):
    """A request body. Every field may come in camelCase or snake_case; camelCase wins. Unknown fields are ignored.

    Declare fields in the contract's casing with `source` for the name inside the house; `aliases` maps further
    names (`{"eventTime": ["time"]}`). `missing` is what a missing required field is called on the wire.
    """

    aliases: ClassVar[Mapping[str, list[str]]] = {}
    missing: ClassVar[type[Refused]] = MissingFields
    is_form = False

    @classmethod
    def parse(cls, request: Request) -> dict[str, Any]:
        """The valid data by the names of the house. Raises MissingFields or Invalid, naming each field."""
        if request.META.get("HTTP_TRANSFER_ENCODING"):
            raise LengthRequired  # a chunked body arrives empty and would look like one with everything missing
        return cls.parse_data(request.data)

    @classmethod
    def parse_data(cls, data: Any) -> dict[str, Any]:
        is_form = isinstance(data, QueryDict)
        try:
            return dict(_shared_body(cls, is_form).run_validation(data.dict() if is_form else data))
        except serializers.ValidationError as error:
            raise cls.refusal(error.detail) from error

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            data = self.in_contract_casing(data)
        return super().to_internal_value(data)

    def in_contract_casing(self, data: Mapping[str, Any]) -> dict[str, Any]:
        known: dict[str, Any] = {}
        for name, spellings in self.spellings.items():
            for spelling in spellings:
                if spelling in data:
                    known[name] = data[spelling]
                    break
        return known

    @cached_property
    def spellings(self) -> dict[str, tuple[str, ...]]:
        """Of each field, the best one first."""
        names = map(str, self.fields)
        return {name: (name, snake_case(name), *self.aliases.get(name, [])) for name in names}

    @classmethod
    def refusal(cls, errors: Any) -> Refused:
        problems = dict(flatten(errors))
        text = "; ".join(f"{field}: {detail}" if field else str(detail) for field, detail in problems.items())
        if any(detail.code in ("required", "blank", "null") for detail in problems.values()):
            return cls.missing(f"Required fields are missing or not valid. {text}")
        return Invalid(text)


# Making a serializer copies each of its fields, which costs more than using it; and it keeps nothing of what passes.


@cache
def _shared_body(body: type[RequestBody], is_form: bool) -> RequestBody:
    """For all threads. `is_form`: values are text, as in a form."""
    shared = body()
    shared.is_form = is_form
    return shared


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1].lower(), name)


def flatten(errors: Any, path: str = "") -> Any:
    """`(field, first problem)` of a nested DRF error structure, with dotted names."""
    if isinstance(errors, Mapping):
        for key, value in errors.items():
            name = "" if key == "non_field_errors" else str(key)
            yield from flatten(value, ".".join(part for part in (path, name) if part))
    elif isinstance(errors, list) and errors and isinstance(errors[0], Mapping | list):
        for position, value in enumerate(errors):
            yield from flatten(value, f"{path}[{position}]")
    elif errors:
        yield path, errors[0]


# --- The query --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Page:
    """Which rows of a long list are wanted: `limit` rows from `offset` (0-based)."""

    limit: int
    offset: int

    @classmethod
    def of(cls, request: Request, *, default: int, cap: int = 200) -> "Page":
        """From `limit` (0 or absent: the default; never above `cap`) with `page` (1-based) or `offset`.

        Raises Invalid for anything that is not a whole number from 0.
        """
        limit = min(_whole_number(request, "limit") or default, cap)
        page = _whole_number(request, "page")
        return cls(limit, (page - 1) * limit if page else _whole_number(request, "offset"))

    @property
    def number(self) -> int:
        return self.offset // self.limit + 1

    def pages_of(self, total: int) -> int:
        return -(-total // self.limit)


def query_id(request: Request, *names: str) -> UUID | None:
    """The id in the query under one of the names, None when it is absent or empty. Raises Invalid."""
    text = next((request.query_params[name] for name in names if request.query_params.get(name)), "")
    try:
        return UUID(text) if text else None
    except ValueError as error:
        raise Invalid(f"{names[0]}: not an id.") from error


def _whole_number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "").strip()
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise Invalid(f"{name}: a whole number from 0 to 999999999.")
    return int(text)


def flag(text: str) -> bool:
    """A yes in a query: `false` and `0` are none, whatever the old server thought."""
    return text.strip().lower() in ("true", "1", "yes", "on")
