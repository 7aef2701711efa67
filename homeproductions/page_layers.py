"""Django's layers for pages, which the API does without: it has no sessions, no forms and no scripts of its own.

They stand in `MIDDLEWARE` as usual and let API requests pass. That bought a third of the time of the smallest answers.
"""

from typing import Any

from csp.middleware import CSPMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from .middleware import is_api

# Pages below the API's address: its description for people.
PAGES_OF_THE_API = ("/api/docs", "/api/schema")


def is_page(request: HttpRequest) -> bool:
    return not is_api(request.path) or request.path.startswith(PAGES_OF_THE_API)


class OnPages:
    """In front of a layer of Django's."""

    def __call__(self: Any, request: HttpRequest) -> HttpResponseBase:
        layer: Any = super()
        return layer.__call__(request) if is_page(request) else self.get_response(request)


class Session(OnPages, SessionMiddleware):
    pass


class Authentication(OnPages, AuthenticationMiddleware):
    pass


class Messages(OnPages, MessageMiddleware):
    pass


class ContentPolicy(OnPages, CSPMiddleware):
    pass
