"""Which layers a request passes: a page those of `MIDDLEWARE`, a call of the API those of `API_MIDDLEWARE` alone.

The API has no sessions, forms, messages, scripts or files of its own, so it goes without Django's layers for them, and
straight from the last layer to the view. That bought half of the time of the smallest answers.
"""

from types import SimpleNamespace
from typing import Any

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.middleware.gzip import GZipMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import get_resolver
from django.utils.cache import patch_vary_headers
from django.utils.module_loading import import_string

from .middleware import API_HEADERS, FIXED_HEADERS, GetResponse, tidy_preflight, withhold_forged_scheme
from .paths import is_api

# Pages below the API's address: its description for people.
PAGES_OF_THE_API = ("/api/docs", "/api/schema")
# Probes come by whatever address they know this server by, and nothing in the answer depends on it.
PROBED = "/health"
VARY = ("Accept-Encoding", "origin")


class Lanes:
    """The first layer of all."""

    def __init__(self, get_response: GetResponse) -> None:
        self.pages = get_response
        self.api: Any = convert_exception_to_response(answer)
        for name in reversed(settings.API_MIDDLEWARE):
            # Whatever fails below is an answer to the layers above, as Django has it.
            self.api = convert_exception_to_response(import_string(name)(self.api))

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response: HttpResponse = self.pages(request) if is_page(request) else self.api(request)
        return response


def is_page(request: HttpRequest) -> bool:
    return not is_api(request.path) or request.path.startswith(PAGES_OF_THE_API)


def answer(request: HttpRequest) -> HttpResponse:
    """What the view for this address says; Django's own way to it asks several more kinds of layers, of which the API
    has none. Raises DisallowedHost, Http404 and what the view raises."""
    if not request.path.startswith(PROBED):
        request.get_host()
    found = request.resolver_match = get_resolver().resolve(request.path_info)
    response: HttpResponse = found.func(request, *found.args, **found.kwargs)
    return response


class Headers:
    """What every answer of the API says about itself, unless it says something else: Django's security headers, ours,
    and that it may be kept by nobody. Known ahead, so they are laid under an answer's own headers all at once."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.plain, self.secure = _headers(is_secure=False), _headers(is_secure=True)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        withhold_forged_scheme(request)
        response = self.get_response(request)
        tidy_preflight(request, response)
        if "vary" in (own := response.headers._store):
            patch_vary_headers(response, VARY)
        if "content-length" not in own and not response.streaming:
            own["content-length"] = ("Content-Length", str(len(response.content)))
        response.headers._store = {**(self.secure if request.is_secure() else self.plain), **own}
        return response


def _headers(*, is_secure: bool) -> dict[str, tuple[str, str]]:
    """As HttpResponse keeps them."""
    response = HttpResponse(headers={**FIXED_HEADERS, **API_HEADERS, "Cache-Control": "no-store"})
    patch_vary_headers(response, VARY)
    anything: Any = SimpleNamespace(is_secure=lambda: is_secure)
    SecurityMiddleware(lambda _: response).process_response(anything, response)
    del response.headers["Content-Type"]
    known: dict[str, tuple[str, str]] = response.headers._store
    return known


class Compressed(GZipMiddleware):
    """Only for those who can read it."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_asked = "gzip" in request.META.get("HTTP_ACCEPT_ENCODING", "")
        response: Any = super().__call__(request) if is_asked else self.get_response(request)
        return response


class CrossOrigin(CorsMiddleware):
    """Only for pages of another origin, which say so."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_asked = "HTTP_ORIGIN" in request.META or request.method == "OPTIONS"
        response: Any = super().__call__(request) if is_asked else self.get_response(request)
        return response
