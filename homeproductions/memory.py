"""What many ask for in the same second is made once: kept by this process for at most `MEMORY_SECONDS` (or a few times
that, where it says so)."""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from django.conf import settings

T = TypeVar("T")
MOST = 1_000  # of one kind; more are other callers' inventions, and the memory begins anew


@dataclass
class _Place(Generic[T]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    value: T | None = None
    good_until: float = 0


_memories: list["Memory[Any]"] = []


def forget_all() -> None:
    """Everything that this process remembers."""
    for memory in _memories:
        memory._places.clear()


class Memory(Generic[T]):
    """Values by key, all of one kind. They are shared by threads: nobody changes them.

    `times`: kept for so many times `MEMORY_SECONDS`.
    """

    def __init__(self, *, times: int = 1) -> None:
        self._times = times
        self._places: dict[Hashable, _Place[T]] = {}
        _memories.append(self)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value, made when there is none or it is too old. Others who want it meanwhile wait for that one.

        What `make` raises is not remembered.
        """
        place = self._places.get(key)
        if place is None:
            if len(self._places) >= MOST:
                self._places.clear()
            place = self._places.setdefault(key, _Place())
        if (value := _fresh(place)) is not None:
            return value
        with place.lock:
            if (value := _fresh(place)) is not None:
                return value
            return self._remember(key, place, make)

    def renew(self, key: Hashable, make: Callable[[], T]) -> T:
        """`get` for somebody whom a value of the last second did not help."""
        self.forget(key)
        return self.get(key, make)

    def forget(self, key: Hashable) -> None:
        self._places.pop(key, None)

    def _remember(self, key: Hashable, place: _Place[T], make: Callable[[], T]) -> T:
        # From before it is made: what is read in the meantime may have changed already.
        good_until = time.monotonic() + self._times * settings.MEMORY_SECONDS
        try:
            place.value, place.good_until = make(), good_until
        except BaseException:
            self._places.pop(key, None)  # callers invent many keys of which nothing comes
            raise
        assert place.value is not None
        return place.value


def _fresh(place: _Place[T]) -> T | None:
    return place.value if time.monotonic() < place.good_until else None
