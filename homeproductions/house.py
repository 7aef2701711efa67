"""What the house is called and where it can be written to, as every mail says it."""

from typing import Any

from constance.utils import get_values

from .memory import Memory

NAMES = ("site_name", "contact_email")
_house: Memory[dict[str, Any]] = Memory()


def house() -> dict[str, Any]:
    """The settings `site_name` and `contact_email`, at most a second old: each read of one is a query, and a worker
    writes many mails a second."""
    return _house.get("house", _read)


def _read() -> dict[str, Any]:
    values = get_values()
    return {name: values[name] for name in NAMES}
