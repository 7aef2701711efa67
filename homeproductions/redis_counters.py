"""The shared counters in Redis, for whoever sets REDIS_URL. Apart from `counters.py`, because importing the client
costs each process more time than all the rest of this package."""

import time
from threading import Lock
from typing import Any

import structlog
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.redis import RedisCache
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from .counters import PostgresCounters

logger = structlog.get_logger(__name__)

REDIS_PATIENCE = 0.25  # seconds, to connect and again to answer
REDIS_PAUSE = 15.0  # seconds without trying a Redis that did not answer


class Breaker:
    """Remembers, for all threads of this process, that something is away, so that not every request waits for it."""

    def __init__(self, pause: float) -> None:
        self.pause = pause
        self._lock = Lock()
        self._next_try: float | None = None

    def allows_a_try(self) -> bool:
        """True while all is well; after a failure, true for one caller per `pause` seconds."""
        if self._next_try is None:
            return True
        with self._lock:
            now = time.monotonic()
            if self._next_try is not None and now < self._next_try:
                return False
            self._next_try = now + self.pause
            return True

    def note_failure(self, error: Exception) -> None:
        with self._lock:
            was_well, self._next_try = self._next_try is None, time.monotonic() + self.pause
        if was_well:
            logger.warning("Redis is away, PostgreSQL counts", error=type(error).__name__)

    def note_success(self) -> None:
        if self._next_try is not None:
            self._next_try = None
            logger.warning("Redis is back")


redis_breaker = Breaker(REDIS_PAUSE)


class RedisCounters(BaseCache):
    """Whole numbers that expire. No Redis error gets out: while it is away, PostgreSQL counts, from zero."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        patience = {"socket_connect_timeout": REDIS_PATIENCE, "socket_timeout": REDIS_PATIENCE}
        # Left to itself the client would try four times before it gives up.
        options = {**patience, "retry": Retry(NoBackoff(), 0)}
        self.redis = RedisCache(location, {**params, "OPTIONS": options})
        self.postgres = PostgresCounters(location, params)

    def add(self, key: str, value: int, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self._either("add", key, value, timeout, version)

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """The new value. Raises ValueError if there is nothing to take from."""
        try:
            return self._either("incr", key, delta, version)
        except ValueError:
            if delta < 0:
                raise
        # Redis went away between `add` and `incr`: PostgreSQL does not know the key yet.
        self.postgres.add(key, 0, version=version)
        return self.postgres.incr(key, delta, version)

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        return self._either("get", key, default, version)

    def set(self, key: str, value: int, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._either("set", key, value, timeout, version)

    def delete(self, key: str, version: int | None = None) -> bool:
        return self._either("delete", key, version)

    def _either(self, operation: str, key: str, *arguments: Any) -> Any:
        if redis_breaker.allows_a_try():
            try:
                answer = getattr(self.redis, operation)(key, *arguments)
            except (RedisError, OSError) as error:
                redis_breaker.note_failure(error)
            else:
                redis_breaker.note_success()
                return answer
        return getattr(self.postgres, operation)(key, *arguments)
