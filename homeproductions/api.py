"""How the API answers (contract 1): the envelope, JSON for every error, pages for people who meet one."""

import logging
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme
from rest_framework import exceptions
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder

from .errors import (
    ConstraintBroken,
    Invalid,
    NotFound,
    RateLimited,
    Refused,
    TooLarge,
    Unavailable,
)
from .paths import OFFICE, PAGES, is_api

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
# DRF's renderer makes one for each answer, from settings that are the same for all.
ENCODER = JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
DATABASE_AWAY = (OperationalError, InterfaceError)


def ok(status: int = 200, **payload: Any) -> HttpResponse:
    return json_answer({"success": True, **payload}, status=status)


def json_answer(payload: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(in_json(payload), status=status, content_type="application/json")


def in_json(payload: Any) -> bytes:
    """UTF-8; without the two ends of line that JavaScript does not take in a text."""
    return ENCODER.encode(payload).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").encode()


def envelope(error: Refused) -> dict[str, Any]:
    return {"success": False, "error": str(error), "code": error.code, **error.extra}


def refusal_response(error: Refused) -> HttpResponse:
    return json_answer(envelope(error), status=error.status)


def exception_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """Every exception of an API view as an envelope, in JSON whatever the view renders otherwise.

    What nobody foresaw is logged and says nothing about itself.
    """
    refused = as_refused(error)
    if refused is None:
        log.exception("unexpected error in an API view", exc_info=error)
        return server_error()
    response = refusal_response(refused)
    for name, value in _headers_of(error, refused).items():
        response.headers[name] = value
    return response


def as_refused(error: Exception) -> Refused | None:
    """The refusal that an exception stands for, or None when it is a fault of ours."""
    match error:
        case Refused():
            return error
        case Http404() | exceptions.NotFound() | exceptions.MethodNotAllowed():
            return NotFound()  # contract 1.1: a wrong method on a known path is 404 too
        case IntegrityError():
            return _constraint(error)
        case exceptions.Throttled():
            return RateLimited()
        case RequestDataTooBig():
            return TooLarge()
        case SuspiciousOperation():  # among them: more fields than anybody honest sends
            return Invalid("The request is not valid.")
        case UnreadablePostError():
            return Invalid("The request broke off.")
        case exceptions.UnsupportedMediaType():
            return _refusal("UNSUPPORTED_MEDIA_TYPE", 415, "Send JSON (Content-Type: application/json).")
        case exceptions.PermissionDenied() | PermissionDenied():
            return _refusal("FORBIDDEN", 403, "Your role does not allow this.")
        case exceptions.APIException():
            return Invalid(str(error.detail) if isinstance(error.detail, str) else None)
    if isinstance(error, DATABASE_AWAY):
        log.error("the database is away: %s", type(error).__name__)
        return Unavailable()
    return None


def _refusal(code: str, status: int, message: str) -> Refused:
    return type("Refusal", (Refused,), {"code": code, "status": status, "message": message})()


def _constraint(error: IntegrityError) -> Refused | None:
    """Contract 1.5: what the database refused, by kind. A rule a service should have checked stays a client's error."""
    state = getattr(error.__cause__, "sqlstate", None)
    match state:
        case "23505":
            return _refusal("DUPLICATE", 400, "That exists already.")
        case "23503":
            return _refusal("REFERENCE_ERROR", 400, "Something this refers to does not exist or is still in use.")
        case "23514":
            return ConstraintBroken()
    return None


def _headers_of(error: Exception, refused: Refused) -> dict[str, str]:
    headers = {}
    if refused.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if refused.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    wait = getattr(error, "wait", None)
    if wait is not None:
        headers["Retry-After"] = str(max(1, round(wait)))
    return headers


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _told(request, NotFound(), "There is nothing here", "The address may be mistyped, or what was here is gone.")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Of what Django found in a request, the log has the kind alone: the text quotes whoever sent it."""
    if exception is not None and not isinstance(exception, DisallowedHost):  # that one is each scanner's
        log.warning("a request was refused: %s", type(exception).__name__)
    return _told(request, Invalid("The request is not valid."), "That did not work", "The request is not valid.")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    refusal = _refusal("FORBIDDEN", 403, "This is not allowed.")
    return _told(request, refusal, "Your role does not allow this", "Ask somebody who runs the office, if you need it.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that was open while its reader signed in or out elsewhere; nothing was done."""
    text = "You signed in or out in another tab, or this page is old. Nothing was done. Open it once more."
    refusal = _refusal("FORBIDDEN", 403, "This is not allowed.")
    return _told(request, refusal, "This page is not up to date", text, back=_page_before(request), way="Open it again")


def server_error(request: HttpRequest | None = None) -> HttpResponse:
    """For what nobody foresaw, and on pages for a database that is away: API views tell that by themselves."""
    if request is not None and _is_page(request):
        return _trouble_page(is_away=isinstance(sys.exc_info()[1], DATABASE_AWAY))
    return refusal_response(_refusal("SERVER_ERROR", 500, "Something went wrong on our side."))


def _told(
    request: HttpRequest, refusal: Refused, title: str, text: str, *, back: str = "", way: str = "Back to the office"
) -> HttpResponse:
    """The refusal for whoever asked: people get a page, with a way on where there is one, and programs JSON."""
    if not _is_page(request):
        return refusal_response(refusal)
    back = back or (OFFICE if request.path.startswith(OFFICE) else "")
    return HttpResponse(_trouble(title, text, back=back, way=way), status=refusal.status)


def _is_page(request: HttpRequest) -> bool:
    """Whether somebody looks at this in a browser: one of our pages, or an address that only a browser made up."""
    if is_api(request.path):
        return False
    return request.path.startswith(PAGES) or "text/html" in request.headers.get("Accept", "")


def _page_before(request: HttpRequest) -> str:
    """The page of ours that the request came from."""
    before = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(before, {request.get_host()}, require_https=request.is_secure())
    return before if is_ours else OFFICE


def _trouble_page(*, is_away: bool) -> HttpResponse:
    title = "Not available right now" if is_away else "Something went wrong on our side"
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if is_away else {}
    page = _trouble(title, "Please try again in a minute.")
    return HttpResponse(page, status=503 if is_away else 500, headers=headers)


def _trouble(title: str, text: str, *, back: str = "", way: str = "") -> str:
    """Said to people, on a page that needs no database."""
    return render_to_string("public/trouble.html", {"title": title, "text": text, "back": back, "way": way})


class AlwaysJSON(BaseContentNegotiation):
    """The API speaks JSON whatever the client says it accepts; a client must never be left with an empty 406."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        # Old clients send GETs and empty POSTs with any content type or none.
        for parser in parsers:
            if parser.media_type == request.content_type.split(";")[0].strip().lower():
                return parser
        return None

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type or "application/json"
