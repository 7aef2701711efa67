"""Keeps personal data and ticket codes out of the logs, whoever writes them."""

import re
from collections.abc import MutableMapping
from typing import Any

from django.http import HttpRequest
from django_structlog.middlewares import RequestMiddleware

# Each pattern starts only where a word starts and looks a bounded way ahead: a line is as long as a caller makes it.
WORD = r"[^\s@\"'=<>(),&?/]"
EMAIL = re.compile(rf"(?<!{WORD}){WORD}{{1,254}}(?:@|%40){WORD}{{1,254}}")
CODE = re.compile(r"\b[0-9A-Fa-f]{32}\b")
# The end of anything signed: a link in a newsletter mail, a bearer token.
SIGNED = re.compile(r"(?<![\w-])[\w-]+\.[\w-]{43}(?![\w-])")
# The link to an order's page, also with something typed before or behind it, and its token alone.
ORDER_LINK = re.compile(r"(?<=/orders/)[^\s/?#\"'<>]{24,}")
TOKEN = re.compile(r"(?<![\w-])[\w-]{43}(?![\w-])")
HIDDEN = "***"


def scrub(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog step: hides addresses, ticket codes and signed tokens in each text of a line, tracebacks included."""
    for key, value in event.items():
        if isinstance(value, str):
            for secret in (EMAIL, CODE, SIGNED, ORDER_LINK, TOKEN):
                value = secret.sub(HIDDEN, value)
            event[key] = value
    return event


class RequestLog(RequestMiddleware):
    """One line at the start and one at the end of a request, without the query: it may hold an address."""

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        return f"{request.method} {request.path}"
