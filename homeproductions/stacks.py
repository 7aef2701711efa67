"""How an error is told in the log and to Sentry: which kinds, where in the code, and what its text says only where that
cannot quote a guest. "duplicate key value" quotes the address, "invalid literal" what somebody typed."""

import re
import traceback
from collections.abc import Iterator
from types import TracebackType

# Their texts are about our code: names, no values.
ABOUT_CODE = (ImportError, NameError, NotImplementedError, RecursionError, ZeroDivisionError)
# Of these only what Python itself says, about types and parameters. Libraries put values into such texts ("expected a
# number but got 'Ana'"), and Python the keywords that it did not expect, which may be what somebody sent.
OF_PYTHON = (AttributeError, TypeError)
PHRASES = """
'TYPE' object has no attribute 'NAME'
type object 'TYPE' has no attribute 'NAME'
module 'TYPE' has no attribute 'NAME'
'TYPE' object is not subscriptable
'TYPE' object is not callable
'TYPE' object is not iterable
'TYPE' object is not an iterator
'TYPE' object does not support item assignment
'TYPE' object does not support item deletion
'TYPE' object does not support the context manager protocol
'TYPE' object cannot be interpreted as an integer
'SIGN' not supported between instances of 'TYPE' and 'TYPE'
unsupported operand type(s) for SIGN: 'TYPE' and 'TYPE'
bad operand type for unary SIGN: 'TYPE'
unhashable type: 'TYPE'
object of type 'TYPE' has no len()
Object of type TYPE is not JSON serializable
cannot unpack non-iterable TYPE object
can only concatenate TYPE (not "TYPE") to TYPE
sequence item NUMBER: expected TYPE instance, TYPE found
expected string or bytes-like object, got 'TYPE'
expected str, bytes or os.PathLike object, not TYPE
string indices must be integers, not 'TYPE'
list indices must be integers or slices, not TYPE
tuple indices must be integers or slices, not TYPE
TYPE() argument must be a string, a bytes-like object or a real number, not 'TYPE'
TYPE() argument must be a string or a real number, not 'TYPE'
can't compare offset-naive and offset-aware datetimes
can't subtract offset-naive and offset-aware datetimes
TYPE() missing NUMBER required positional argument: 'NAME'
TYPE() missing NUMBER required positional arguments: NAMES
TYPE() missing NUMBER required keyword-only argument: 'NAME'
TYPE() missing NUMBER required keyword-only arguments: NAMES
TYPE() takes NUMBER positional argument but NUMBER were given
TYPE() takes NUMBER positional arguments but NUMBER was given
TYPE() takes NUMBER positional arguments but NUMBER were given
TYPE() takes from NUMBER to NUMBER positional arguments but NUMBER were given
"""
PARTS = {
    "TYPE": r"[\w.<>]+",
    "NAMES": r"'\w+'(?:,? (?:and )?'\w+')+",
    "NAME": r"\w+",
    "NUMBER": r"\d+",
    "SIGN": r"[-+*/%@<>=&|^~]+(?: or pow\(\))?",
}
SAID_BY_PYTHON = re.compile(
    re.sub("|".join(PARTS), lambda part: PARTS[part[0]], "|".join(map(re.escape, PHRASES.strip().splitlines())))
)
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
    if isinstance(error, OF_PYTHON):
        return text if SAID_BY_PYTHON.fullmatch(text := str(error)) else ""
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
