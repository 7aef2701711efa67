"""One line for each request; and no personal data or ticket codes in any line, whoever writes it."""

import json
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.functional import LazyObject

from .stacks import told_by_logging
from .traffic import traffic

# Each pattern starts only where a word starts and looks a bounded way ahead: a line is as long as a caller makes it.
WORD = r"[^\s@\"'=<>(),&?/]"
EMAIL = re.compile(rf"(?<!{WORD}){WORD}{{1,254}}(?:@|%40){WORD}{{1,254}}")
CODE = re.compile(r"\b[0-9A-Fa-f]{32}\b")
# The end of anything signed: a link in a newsletter mail, a bearer token.
SIGNED = re.compile(r"(?<![\w-])[\w-]+\.[\w-]{43}(?![\w-])")
# The link to an order's page, also with something typed before or behind it, and its token alone.
ORDER_LINK = re.compile(r"(?<=/orders/)[^\s/?#\"'<>]{24,}")
TOKEN = re.compile(r"(?<![\w-])[\w-]{43}(?![\w-])")
# What was asked: an address, a name, a telephone number.
QUERY = re.compile(r"(?<=\?)[^\s\"'<>=?]{0,254}=[^\s\"'<>]*")
HIDDEN = "***"
REQUEST_ID = "X-Request-ID"
STDERR = 2

logger = logging.getLogger("homeproductions.requests")
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def request_id() -> str | None:
    """Of the request that this thread is at, or was at last."""
    return _request_id.get()


def leave_request() -> None:
    """What this thread logs from here on is about no request, until the next one."""
    _request_id.set(None)


def with_request_id(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog step: which request a line is about."""
    if known := request_id():
        event["request_id"] = known
    return event


def scrub(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog step: hides addresses, ticket codes and signed tokens in each text of a line, tracebacks included."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = hidden(value)
    return event


def hidden(text: str) -> str:
    for secret in (QUERY, EMAIL, CODE, SIGNED, ORDER_LINK, TOKEN):
        text = secret.sub(HIDDEN, text)
    return text


# What every line says; errors with their stacks.
STEPS: list[Any] = [
    with_request_id,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
tell_errors = structlog.processors.ExceptionRenderer(told_by_logging)  # type: ignore[arg-type]


def set_up_structlog() -> None:
    """Let its loggers hand their lines to `logging`, where those of libraries arrive too, and Python's own warnings."""
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            *STEPS,
            structlog.stdlib.filter_by_level,
            tell_errors,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def json_formatter() -> logging.Formatter:
    """For a handler of `logging`: each record as one JSON object on a line of its own."""
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            scrub,
            structlog.processors.JSONRenderer(),
        ],
        foreign_pre_chain=[*STEPS, tell_errors],
    )


class RequestLog:
    """One line for each request, and its id in every other line about it and in the answer. Without the query, which
    may hold an address.

    django-structlog's middleware says the same in two lines, through every step of structlog and logging: that was
    half of the time of the smallest answers.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.is_counted = bool(settings.METRICS_TOKEN)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = secrets.token_hex(8)  # longer ones look like ticket codes
        # Not cleared afterwards: what is streamed is made after this, and belongs to this request.
        _request_id.set(name)
        started = time.perf_counter()
        response = self.get_response(request)
        response.headers[REQUEST_ID] = name
        seconds = time.perf_counter() - started
        if self.is_counted:
            traffic.note(request.path, response.status_code, seconds)
        if logger.isEnabledFor(logging.INFO):
            _write(_line(request, response.status_code, name, seconds))
        return response


def _write(line: str) -> None:
    """All at once, so that lines of several workers never mix. Nobody goes without an answer for want of a line."""
    with suppress(OSError):
        os.write(STDERR, line.encode("utf-8", "backslashreplace"))


def _line(request: HttpRequest, status: int, request_id: str, seconds: float) -> str:
    """JSON, like every other line; only what callers chose has to be quoted."""
    user_id = _user_id(request)
    user = f' "user_id": "{user_id}",' if user_id else ""
    path, method = json.dumps(hidden(request.path)), json.dumps(request.method)
    return (
        f'{{"event": "request", "method": {method}, "path": {path}, "status": {status}, "ms": {seconds * 1000:.1f},'
        f' "request_id": "{request_id}",{user} "level": "info",'
        f' "timestamp": "{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"}}\n'
    )


def _user_id(request: HttpRequest) -> str | None:
    """Of whoever is known to be signed in, without asking the database: on pages that is a lazy object."""
    known = vars(request)
    user = known.get("_cached_user") or known.get("user")
    # (asked about its class, a lazy object stays lazy)
    return str(user.pk) if user is not None and not isinstance(user, LazyObject) and user.pk else None
