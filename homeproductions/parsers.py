"""Request bodies: free of what would fail later in the database or in a recursive function."""

import json
from collections.abc import Mapping
from typing import IO, Any

from django.http import QueryDict
from rest_framework.parsers import FormParser, JSONParser

from .errors import Invalid

MAX_DEPTH = 50


class StrictJSONParser(JSONParser):
    """UTF-8 JSON of at most MAX_DEPTH levels, without NUL and lone surrogates."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return load_json(read_whole(stream, parser_context))


class StrictFormParser(FormParser):
    """A form, with the same bounds on its text."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        text = decode(read_whole(stream, parser_context))
        refuse_unstorable(text)
        form = QueryDict(text, encoding="utf-8")
        for values in form.lists():
            refuse_unstorable("".join(values[1]))
        return form


def read_whole(stream: IO[bytes], parser_context: Mapping[str, Any] | None) -> bytes:
    """The body. Raises Invalid when its sender hung up before its end: what came may read like a whole one."""
    body = stream.read()
    told = parser_context["request"].META.get("CONTENT_LENGTH") if parser_context else None
    if told and len(body) < int(told):
        raise Invalid("The body breaks off before its end.")
    return body


def load_json(body: bytes) -> Any:
    """The value of a JSON text. Raises Invalid for everything a handler could stumble over."""
    text = decode(body)
    if not text.strip():
        return {}
    refuse_deep_nesting(text)
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid("The body is not valid JSON.") from error
    # An escape such as \u0000 or \ud800 hides in pure ASCII, so it is the decoded text that counts.
    if "\\u" in text:
        _refuse_unstorable_values(value)
    return value


def decode(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid("The body is not UTF-8 text.") from error


def refuse_deep_nesting(text: str) -> None:
    """Python's own parser would recurse; this looks at brackets outside strings, and only when there are many."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise Invalid("The body is nested too deeply.")
        elif character in "]}":
            depth -= 1


def refuse_unstorable(text: str) -> None:
    """PostgreSQL stores neither NUL nor lone surrogates."""
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise Invalid("The text holds characters that cannot be stored.")


def _refuse_unstorable_values(value: Any) -> None:
    if isinstance(value, str):
        refuse_unstorable(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            refuse_unstorable(key)
            _refuse_unstorable_values(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_unstorable_values(item)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
