"""The wire's habits (contract 1): envelope, value formats, both casings, JSON for every error."""

import logging
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache, cached_property
from typing import Any, ClassVar
from uuid import UUID

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, QueryDict, UnreadablePostError
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import exceptions, serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder

from .addresses import is_web_address
from .days import is_in_our_days, is_ours
from .errors import (
    ConstraintBroken,
    Invalid,
    LengthRequired,
    MissingFields,
    NotFound,
    RateLimited,
    Refused,
    TooLarge,
    Unavailable,
)
from .shapes import shape_of, shape_of_values

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
OFFICE = "/admin/"
# Control characters, the ends of lines, and what overrides the direction of writing.
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
PAGES = (OFFICE, "/orders/", "/newsletter/")
INTEGER_MAX = 2**31 - 1  # of a PostgreSQL integer column
# DRF's renderer makes one for each answer, from settings that are the same for all.
ENCODER = JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
DATABASE_AWAY = (OperationalError, InterfaceError)


# --- Answers ------------------------------------------------------------------------------------------------


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
    if request.path.startswith(("/api/", "/health")) or request.path == "/api":
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


# --- Value formats (contract 1.4) ---------------------------------------------------------------------------


def timestamp(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds and Z."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def money(amount: Decimal | None) -> int | float | None:
    """A JSON number; Decimal stays inside the house."""
    if amount is None:
        return None
    return int(amount) if amount == amount.to_integral_value() else float(amount)


class Timestamp(serializers.DateTimeField):
    def to_internal_value(self, value: Any) -> datetime:
        moment = super().to_internal_value(value)
        if not is_in_our_days(moment):
            self.fail("invalid", format="YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]")
        return moment

    def to_representation(self, value: Any) -> Any:
        return timestamp(value)


class Money(serializers.DecimalField):
    """At most ten digits, two of them decimals. Written and read as a JSON number."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_digits": 10, "decimal_places": 2, "min_value": Decimal(0), **kwargs})

    def to_internal_value(self, data: Any) -> Decimal:
        is_number = isinstance(data, int | float) and not isinstance(data, bool)
        if not is_number and not getattr(self.root, "is_form", False):
            self.fail("invalid")
        return super().to_internal_value(data)

    def to_representation(self, value: Any) -> Any:
        return money(value)


@extend_schema_field(OpenApiTypes.DATETIME)
class NightDate(serializers.DateField):
    """Written as midnight UTC, whatever the server's zone; read as YYYY-MM-DD or the date part of a timestamp."""

    def to_internal_value(self, value: Any) -> date:
        text = value.strip() if isinstance(value, str) else value
        if isinstance(text, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.+Z-]*", text):
            text = text[:10]
        night = super().to_internal_value(text)
        if not is_ours(night):
            self.fail("invalid", format="YYYY-MM-DD")
        return night

    def to_representation(self, value: Any) -> Any:
        return f"{value.isoformat()}T00:00:00.000Z" if value is not None else None


@extend_schema_field(OpenApiTypes.STR)
class EventDate(serializers.DateField):
    """Midnight without a zone: a browser that prints it in local time shows the right day everywhere."""

    def to_representation(self, value: Any) -> Any:
        return f"{value.isoformat()}T00:00:00"


@extend_schema_field(OpenApiTypes.STR)
class NightTime(serializers.TimeField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"input_formats": ["%H:%M", "%H:%M:%S"], "format": "%H:%M:%S", **kwargs})


class StrictInteger(serializers.IntegerField):
    """A JSON integer: `"2"`, `1.5` and `true` are not. A form, which has only text, may say 2 as `2`."""

    def to_internal_value(self, data: Any) -> int:
        is_form = getattr(self.root, "is_form", False)
        if isinstance(data, float) and data.is_integer():
            data = int(data)
        if isinstance(data, bool) or not isinstance(data, int | str) or (isinstance(data, str) and not is_form):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictBoolean(serializers.BooleanField):
    """true or false; in a form also their usual words."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool) and not getattr(self.root, "is_form", False):
            self.fail("invalid", input=data)
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """Text only: numbers and booleans are not turned into text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


def on_one_line(text: str) -> None:
    """A validator for names and the like: what breaks the line, or turns the letters around it about, can make one
    guest look like another on a list. Raises ValidationError."""
    if UNSEEN.search(text):
        raise ValidationError("This has a line break or characters that cannot be seen in it.")


class OptionalText(Text):
    """May be absent, null or empty; the last two mean: none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "allow_null": True, "allow_blank": True, **kwargs})

    def run_validation(self, data: Any = serializers.empty) -> str | None:
        return super().run_validation(data) or None


class WebAddress(OptionalText):
    """An absolute http(s) address or none; nothing that a browser would run (`javascript:`, `data:`) gets in."""

    default_error_messages = {"address": "This is not a web address (http or https)."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 2000, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        address = super().to_internal_value(data)
        if not is_web_address(address):
            self.fail("address")
        return address


class UUIDText(serializers.UUIDField):
    """A UUID written as text; numbers are not turned into one."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        if not data.strip():
            self.fail("required")
        return super().to_internal_value(data)


class OptionalUUID(UUIDText):
    """May be absent, null or empty; the last two mean: none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "allow_null": True, **kwargs})

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(None if data == "" else data)


@dataclass(frozen=True)
class Page:
    """Which rows of a long list are wanted: `limit` rows from `offset` (0-based)."""

    limit: int
    offset: int

    @classmethod
    def of(cls, request: Request, *, default: int, cap: int = 200) -> "Page":
        """From `limit` (0 or absent: the default; never above `cap`) with `page` (1-based) or `offset`.

        Raises Invalid for anything that is not a whole number from 0.
        """
        limit = min(_whole_number(request, "limit") or default, cap)
        page = _whole_number(request, "page")
        return cls(limit, (page - 1) * limit if page else _whole_number(request, "offset"))

    @property
    def number(self) -> int:
        return self.offset // self.limit + 1

    def pages_of(self, total: int) -> int:
        return -(-total // self.limit)


def query_id(request: Request, *names: str) -> UUID | None:
    """The id in the query under one of the names, None when it is absent or empty. Raises Invalid."""
    text = next((request.query_params[name] for name in names if request.query_params.get(name)), "")
    try:
        return UUID(text) if text else None
    except ValueError as error:
        raise Invalid(f"{names[0]}: not an id.") from error


def _whole_number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "").strip()
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise Invalid(f"{name}: a whole number from 0 to 999999999.")
    return int(text)


def flag(text: str) -> bool:
    """A yes in a query: `false` and `0` are none, whatever the old server thought."""
    return text.strip().lower() in ("true", "1", "yes", "on")


EMAIL = re.compile(r"[^\s@]+@[^\s@.]+(\.[^\s@.]+)+")


EMAIL_MAX_LENGTH = 255


def is_email(text: str) -> bool:
    """Contract 2.4 (one `@`, a dot after it, no blanks), and deliverable: a ticket that can never arrive is refused
    before it is paid for, not after."""
    try:
        validate_email(text[: EMAIL_MAX_LENGTH + 1])
    except ValidationError:
        return False
    return bool(EMAIL.fullmatch(text)) and len(text) <= EMAIL_MAX_LENGTH


class EmailAddress(Text):
    default_error_messages = {"email": "This is not a valid e-mail address."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 255, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not is_email(text):
            self.fail("email")
        return text


# --- Requests -----------------------------------------------------------------------------------------------


class RequestBody(serializers.Serializer[Any]):
    """A request body. Every field may come in camelCase or snake_case; camelCase wins. Unknown fields are ignored.

    Declare fields in the contract's casing with `source` for the name inside the house; `aliases` maps further
    names (`{"eventTime": ["time"]}`). `missing` is what a missing required field is called on the wire.
    """

    aliases: ClassVar[Mapping[str, list[str]]] = {}
    missing: ClassVar[type[Refused]] = MissingFields
    is_form = False

    @classmethod
    def parse(cls, request: Request) -> dict[str, Any]:
        """The valid data by the names of the house. Raises MissingFields or Invalid, naming each field."""
        if request.META.get("HTTP_TRANSFER_ENCODING"):
            raise LengthRequired  # a chunked body arrives empty and would look like one with everything missing
        return cls.parse_data(request.data)

    @classmethod
    def parse_data(cls, data: Any) -> dict[str, Any]:
        is_form = isinstance(data, QueryDict)
        try:
            return dict(_shared_body(cls, is_form).run_validation(data.dict() if is_form else data))
        except serializers.ValidationError as error:
            raise cls.refusal(error.detail) from error

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            data = self.in_contract_casing(data)
        return super().to_internal_value(data)

    def in_contract_casing(self, data: Mapping[str, Any]) -> dict[str, Any]:
        known: dict[str, Any] = {}
        for name, spellings in self.spellings.items():
            for spelling in spellings:
                if spelling in data:
                    known[name] = data[spelling]
                    break
        return known

    @cached_property
    def spellings(self) -> dict[str, tuple[str, ...]]:
        """Of each field, the best one first."""
        names = map(str, self.fields)
        return {name: (name, snake_case(name), *self.aliases.get(name, [])) for name in names}

    @classmethod
    def refusal(cls, errors: Any) -> Refused:
        problems = dict(flatten(errors))
        text = "; ".join(f"{field}: {detail}" if field else str(detail) for field, detail in problems.items())
        if any(detail.code in ("required", "blank", "null") for detail in problems.values()):
            return cls.missing(f"Required fields are missing or not valid. {text}")
        return Invalid(text)


# Making a serializer copies each of its fields, which costs more than using it; and it keeps nothing of what passes.


@cache
def _shared_body(body: type[RequestBody], is_form: bool) -> RequestBody:
    """For all threads. `is_form`: values are text, as in a form."""
    shared = body()
    shared.is_form = is_form
    return shared


def shown(serializer: type[serializers.Serializer[Any]], row: Any) -> dict[str, Any]:
    """The row as this serializer shows it."""
    answer: dict[str, Any] = shape_of(serializer)(row)
    return answer


def shown_all(serializer: type[serializers.Serializer[Any]], rows: Iterable[Any]) -> list[dict[str, Any]]:
    return list(map(shape_of(serializer), rows))


def shown_values(serializer: type[serializers.Serializer[Any]], rows: Iterable[Any]) -> list[dict[str, Any]]:
    """`shown_all` for rows that hold the values of `shapes.columns_of` and nothing else."""
    return list(map(shape_of_values(serializer), rows))


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1].lower(), name)


def flatten(errors: Any, path: str = "") -> Any:
    """`(field, first problem)` of a nested DRF error structure, with dotted names."""
    if isinstance(errors, Mapping):
        for key, value in errors.items():
            name = "" if key == "non_field_errors" else str(key)
            yield from flatten(value, ".".join(part for part in (path, name) if part))
    elif isinstance(errors, list) and errors and isinstance(errors[0], Mapping | list):
        for position, value in enumerate(errors):
            yield from flatten(value, f"{path}[{position}]")
    elif errors:
        yield path, errors[0]
