"""Where the current request comes from, for audit rows and orders, so that services need not carry it around."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """The client's address (None outside a request) and its user agent, cut to what a row should hold."""

    ip: str | None = None
    user_agent: str | None = None


USER_AGENT_MAX_LENGTH = 500
NOWHERE = Origin()
_current: ContextVar[Origin] = ContextVar("request_origin", default=NOWHERE)


def current() -> Origin:
    return _current.get()


def enter(origin: Origin) -> None:
    _current.set(origin)
