"""Picks values out of what providers send. Nothing in it is trusted to be there or to have the right type."""

import hashlib
import re
from typing import Any

from homeproductions.errors import Refused
from homeproductions.parsers import load_json

from . import Unreadable

# What a database column of minor units holds.
LARGEST_AMOUNT = 2**63
CURRENCY = re.compile("[A-Z]{3}")
ORDER_KEYS = ("order_id", "order_number", "orderNumber", "orderId")


def json_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object with something in it. Raises Unreadable."""
    try:
        content = load_json(body)
    except Refused as error:
        raise Unreadable("not JSON") from error
    if not isinstance(content, dict) or not content:
        raise Unreadable("not a JSON object")
    return content


def child(value: Any, *path: str) -> dict[str, Any]:
    """The object at the end of the path, an empty one if there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def first_text(*values: Any) -> str:
    """The first text or whole number. One that no column holds is shortened so that two of them do not become one."""
    for value in values:
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            text = str(value).strip()
            return text if len(text) <= 255 else f"{text[:190]} {hashlib.sha256(text.encode()).hexdigest()}"
    return ""


def first_amount(*values: Any) -> int | None:
    """The first that is given, if it is a whole number a column can hold. Money as a float or as text is refused,
    not rounded, and not looked for elsewhere."""
    value = next((each for each in values if each is not None), None)
    is_amount = isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST_AMOUNT
    return value if is_amount else None


def currency(*values: Any) -> str:
    """Upper-case ISO 4217 code, an empty text when nothing was said, or XXX (there: no currency) for what is no code:
    cut to fit, `USDC` would be dollars."""
    text = first_text(*values).upper()
    return text if not text or CURRENCY.fullmatch(text) else "XXX"


def order_in(*metadata: dict[str, Any]) -> str:
    """The order's number or id in the first metadata that has one."""
    return first_text(*(each.get(key) for each in metadata for key in ORDER_KEYS))


def id_of(value: Any) -> str:
    """An id, given as itself or as an object that has it."""
    return first_text(value.get("id") if isinstance(value, dict) else value)


def texts(*values: str) -> tuple[str, ...]:
    """The values that are not empty, each once."""
    return tuple(dict.fromkeys(value for value in values if value))
