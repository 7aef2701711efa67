"""How an error is told in the log and to Sentry: which kinds, where in the code, and what its text says only where that
cannot quote a guest. "duplicate key value" quotes the address, "invalid literal" what somebody typed."""

import traceback
from collections.abc import Iterator
from types import TracebackType

# Their texts are about our code: names and types, no values.
ABOUT_CODE = (AttributeError, ImportError, NameError, NotImplementedError, RecursionError, TypeError, ZeroDivisionError)
LONGEST_CHAIN = 10


def told(error: BaseException) -> str:
    """The stacks of an error and of what led to it, the first cause first, as Python prints them."""
    return "\n".join(_told_alone(link) for link in reversed(list(chain(error))))


def told_by_logging(info: tuple[type[BaseException], BaseException, TracebackType | None]) -> str:
    """As `told`, for what `sys.exc_info` says."""
    return told(info[1])


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error, then what it was raised from or while handling, and so on."""
    link: BaseException | None = error
    for _ in range(LONGEST_CHAIN):
        if link is None:
            return
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def text_of(error: BaseException) -> str:
    """As much of its text as quotes nobody; empty where that is nothing."""
    if isinstance(error, ABOUT_CODE):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"[Errno {error.errno}] {error.strerror}"
    if state := getattr(error, "sqlstate", None):
        constraint = getattr(getattr(error, "diag", None), "constraint_name", None)
        return f"SQLSTATE {state}" + (f", constraint {constraint}" if constraint else "")
    return ""


def _told_alone(error: BaseException) -> str:
    frames = "".join(traceback.format_tb(error.__traceback__))
    kind, text = type(error), text_of(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"Traceback (most recent call last):\n{frames}{name}" + (f": {text}" if text else "")
