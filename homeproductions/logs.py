"""Keeps personal data and ticket codes out of the logs, whoever writes them."""

import re
from collections.abc import MutableMapping
from typing import Any

from django.http import HttpRequest
from django_structlog.middlewares import RequestMiddleware

EMAIL = re.compile(r"[^\s@\"'=<>(),&?/]+(?:@|%40)[^\s@\"'=<>(),&?/]+\.[A-Za-z]{2,}")
CODE = re.compile(r"\b[0-9A-Fa-f]{32}\b")
HIDDEN = "***"


def scrub(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog step: hides e-mail addresses and ticket codes in every text of a line, tracebacks included."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = CODE.sub(HIDDEN, EMAIL.sub(HIDDEN, value))
    return event


class RequestLog(RequestMiddleware):
    """One line at the start and one at the end of a request, without the query: it may hold an address."""

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        return f"{request.method} {request.path}"
