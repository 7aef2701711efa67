"""Counters that all processes share, as a Django cache backend: what `django_ratelimit` counts in.

In memory each worker would count for itself and allow its own limit; Django's database cache loses increments. Here
PostgreSQL counts in single statements, so a limit is exact over all workers and hosts.
"""

import time
from datetime import timedelta
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import connection

from . import chores

ADD = """
INSERT INTO rate_limit_counters AS held (key, value, expires) VALUES (%s, %s, %s)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires WHERE held.expires <= %s
RETURNING value
"""
SET = """
INSERT INTO rate_limit_counters (key, value, expires) VALUES (%s, %s, %s)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires
RETURNING value
"""
INCREASE = "UPDATE rate_limit_counters SET value = value + %s WHERE key = %s AND expires > %s RETURNING value"
GET = "SELECT value FROM rate_limit_counters WHERE key = %s AND expires > %s"
DELETE = "DELETE FROM rate_limit_counters WHERE key = %s RETURNING value"
DELETE_EXPIRED = "DELETE FROM rate_limit_counters WHERE expires <= %s"


class PostgresCounters(BaseCache):
    """Whole numbers that expire. Each operation is one statement; database errors are the caller's to handle."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def add(self, key: str, value: int, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """True if the key was not there, or only expired, and now holds `value` for `timeout` seconds."""
        key = self.make_and_validate_key(key, version)
        return _value(ADD, key, value, self._expiry(timeout), time.time()) is not None

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """The new value. Raises ValueError if the key is not there."""
        value = _value(INCREASE, delta, self.make_and_validate_key(key, version), time.time())
        if value is None:
            raise ValueError(f"there is no counter {key!r}")
        return value

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        value = _value(GET, self.make_and_validate_key(key, version), time.time())
        return default if value is None else value

    def set(self, key: str, value: int, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        _value(SET, self.make_and_validate_key(key, version), value, self._expiry(timeout))

    def delete(self, key: str, version: int | None = None) -> bool:
        return _value(DELETE, self.make_and_validate_key(key, version)) is not None

    def clear(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM rate_limit_counters")

    def _expiry(self, timeout: Any) -> float:
        expiry = self.get_backend_timeout(timeout)
        return float("inf") if expiry is None else expiry


def _value(statement: str, *parameters: Any) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        row = cursor.fetchone()
    return row[0] if row else None


def delete_expired() -> None:
    """Make room. Nothing depends on when this runs: the end of its window is part of each key."""
    with connection.cursor() as cursor:
        cursor.execute(DELETE_EXPIRED, (time.time(),))


chores.register("delete expired rate-limit counters", timedelta(minutes=10), delete_expired)
