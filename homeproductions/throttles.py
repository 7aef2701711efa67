"""How often one caller may ask (contract 1.8). The numbers are settings; each class here is one bucket of them.

A view names its bucket in `throttle_classes`; without a name, signed-in staff and everybody else have one each.
What must be exact (sign-in, orders, look-up misses, newsletter, bad signatures) is counted by all processes together;
reads and signed-in staff by each process for itself, because sharing the count would cost more than the answer.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, ClassVar
from uuid import UUID

import structlog
from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.connection import ConnectionProxy
from django_ratelimit import core
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle, SimpleRateThrottle

from .api import DATABASE_AWAY, RETRY_AFTER_SECONDS, refusal_response
from .errors import RateLimited, Unavailable
from .middleware import GetResponse, client_address

logger = structlog.get_logger(__name__)

EVERY_STATUS: frozenset[int] = frozenset()
FULL_PAGE = "public/too_many_requests.html"
Page = Callable[..., HttpResponseBase]


@dataclass(frozen=True)
class Usage:
    """A bucket as one caller finds it: `used` of `limit` requests per `window` seconds, open again in `reset`."""

    limit: int
    window: int
    used: int
    reset: int

    @property
    def is_over(self) -> bool:
        return self.used > self.limit

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)

    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Policy": f"{self.limit};w={self.window}",
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }


# --- Who is counted -----------------------------------------------------------------------------------------


def address_of(request: HttpRequest) -> str:
    """The client's address as limits see it. Every phone has a whole /64 of IPv6 addresses to choose from."""
    text = client_address(request)
    if text is None:
        return "unknown"
    address = ipaddress.ip_address(text)
    return text if address.version == 4 else str(ipaddress.IPv6Address(int(address) >> 64 << 64))


def account_in(body: Any) -> str | None:
    """The account that a sign-in is about, in the one spelling that the sign-in itself looks for."""
    email = body.get("email") if isinstance(body, Mapping) else None
    return normal_account(email) if isinstance(email, str) else None


def normal_account(email: str) -> str | None:
    return email.strip().lower() or None


# --- Exact counting -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Charge:
    """A request counted ahead of its answer, to be given back unless the answer has one of these statuses."""

    bucket: str
    value: str
    counted: frozenset[int]
    usage: Usage


def count(request: HttpRequest, bucket: str, value: str, counted: frozenset[int] = EVERY_STATUS) -> Usage:
    """Count one request of `value`, for all processes together. Raises Unavailable or a database error if it cannot
    be counted: nothing that is limited exactly may be tried uncounted."""
    limit, window = settings.RATE_LIMITS[bucket]
    found = core.get_usage(request, group=bucket, key=lambda *_: value, rate=(limit, window), increment=True)
    if found is None or not found["limit"]:
        raise Unavailable
    usage = Usage(limit, window, used=found["count"], reset=max(1, found["time_left"]))
    if counted:
        _charges(request).append(Charge(bucket, value, counted, usage))
    note(request, usage)
    return usage


def give_back(request: HttpRequest, status: int) -> None:
    """Undo what was counted ahead and turned out not to count. Counting first keeps the limit exact for requests
    that come in the same moment."""
    for charge in _charges(request):
        if status not in charge.counted and _uncount(charge) and noted(request) is charge.usage:
            note(request, replace(charge.usage, used=charge.usage.used - 1), instead=True)


def forget_count(bucket: str, value: str) -> None:
    """Delete what was counted of a value in the window of now."""
    caches[settings.RATELIMIT_USE_CACHE].delete(_key(bucket, value))


def _key(bucket: str, value: str) -> str:
    limit, window = settings.RATE_LIMITS[bucket]
    return core._make_cache_key(bucket, core._get_window(value, window), (limit, window), value, core.get_usage.ALL)


def _uncount(charge: Charge) -> bool:
    try:
        caches[settings.RATELIMIT_USE_CACHE].incr(_key(charge.bucket, charge.value), -1)
    except ValueError:  # a new window has begun
        return False
    except DATABASE_AWAY as error:
        logger.warning("a rate limit keeps what it should give back", bucket=charge.bucket, error=type(error).__name__)
        return False
    return True


def _charges(request: HttpRequest) -> list[Charge]:
    return vars(request).setdefault("rate_limit_charges", [])


def noted(request: HttpRequest) -> Usage | None:
    return vars(request).get("rate_limit_usage")


def note(request: HttpRequest, usage: Usage, *, instead: bool = False) -> None:
    """Remember for the headers the bucket that is nearest to its end."""
    known = noted(request)
    if known is None or instead or usage.remaining <= known.remaining:
        vars(request)["rate_limit_usage"] = usage


class Exact(BaseThrottle):
    """A bucket that all processes fill together, one per client address."""

    bucket: ClassVar[str]
    counted: ClassVar[frozenset[int]] = EVERY_STATUS
    usage: Usage

    def allow_request(self, request: Request, view: Any) -> bool:
        if not settings.RATE_LIMIT_ENABLED:
            return True
        self.usage = self.count(request)
        return not self.usage.is_over

    def count(self, request: Request) -> Usage:
        http = request._request
        return count(http, self.bucket, address_of(http), self.counted)

    def wait(self) -> float:
        return self.usage.reset


# --- Counting per process -----------------------------------------------------------------------------------


class PerProcess(SimpleRateThrottle):
    """A bucket that each process fills for itself, over the last `window` seconds."""

    cache = ConnectionProxy(caches, "throttles")  # type: ignore[assignment]

    def get_rate(self) -> str | None:
        return self.scope

    def parse_rate(self, rate: str | None) -> tuple[int, int]:
        return settings.RATE_LIMITS[str(rate)]

    def get_cache_key(self, request: Any, view: Any) -> str:
        return f"{self.scope}:{self.value(request)}"

    def value(self, request: Any) -> str:
        return address_of(getattr(request, "_request", request))

    def allow_request(self, request: Any, view: Any) -> bool:
        if not settings.RATE_LIMIT_ENABLED:
            return True
        allowed = super().allow_request(request, view)
        note(getattr(request, "_request", request), self._usage(allowed))
        return allowed

    def _usage(self, allowed: bool) -> Usage:
        limit, window = self.parse_rate(self.scope)
        reset = self.history[-1] + window - self.now
        return Usage(limit, window, used=len(self.history) if allowed else limit + 1, reset=max(1, round(reset)))


# --- The buckets --------------------------------------------------------------------------------------------


class InTurn(BaseThrottle):
    """Several buckets, asked up to the first that is full: what one refuses must not count in the next."""

    stages: ClassVar[tuple[type[BaseThrottle], ...]]
    asked: BaseThrottle

    def allow_request(self, request: Request, view: Any) -> bool:
        return all(self._ask(stage, request, view) for stage in self.stages)

    def _ask(self, stage: type[BaseThrottle], request: Request, view: Any) -> bool:
        self.asked = stage()
        return self.asked.allow_request(request, view)

    def wait(self) -> float | None:
        return self.asked.wait()


class PublicReads(PerProcess):
    """What guests look at. Wide: at the start of a sale a whole carrier's phones come from a few addresses."""

    scope = "public"


class Staff(PerProcess):
    """A signed-in user, on however many phones. A door that lets a guest in every two seconds asks 90 times a
    minute on each."""

    scope = "staff"

    def value(self, request: Request) -> str:
        return str(request.user.pk)


class General(PerProcess):
    """Whatever has no bucket of its own."""

    scope = "general"


class Anonymous(PerProcess):
    """Calls that were turned away before any bucket was asked: staff routes without a good token."""

    scope = "anonymous"


class Default(BaseThrottle):
    """For views that name no bucket."""

    def allow_request(self, request: Request, view: Any) -> bool:
        self.chosen = Staff() if request.user else General()
        return self.chosen.allow_request(request, view)

    def wait(self) -> float | None:
        return self.chosen.wait()


class SignInAddress(Exact):
    bucket = "auth"


class SignInAccount(Exact):
    """Sign-ins to one account from all addresses."""

    bucket = "account"

    def allow_request(self, request: Request, view: Any) -> bool:
        self.account = account_in(request.data)
        return self.account is None or super().allow_request(request, view)

    def count(self, request: Request) -> Usage:
        return count(request._request, self.bucket, str(self.account))


class SignIn(InTurn):
    """Before any password is hashed. The address comes first: one address alone cannot lock anybody else out."""

    stages = (SignInAddress, SignInAccount)


class SessionCalls(Exact):
    """Refresh, me, logout: apart from sign-in, so that reloading a page locks nobody out."""

    bucket = "session"


class OwnPassword(Exact):
    """Somebody with a stolen token guesses the old password no faster than at the sign-in."""

    bucket = "account"

    def count(self, request: Request) -> Usage:
        return count(request._request, self.bucket, f"user {request.user.pk}")


class PasswordChange(InTurn):
    stages = (SessionCalls, OwnPassword)


class PlacedOrders(Exact):
    """Orders that were really placed. Each holds seats, unpaid; a try that was refused (sold out, a typing error)
    holds none, and those are most of the tries when many phones behind one carrier's address want the same night."""

    bucket = "orders"
    counted = frozenset({201})


class OrderCreation(InTurn):
    stages = (PublicReads, PlacedOrders)


class OrderMisses(Exact):
    """Look-ups that found nothing: guesses. Once there are too many, hits are not shown either."""

    bucket = "order_misses"
    counted = frozenset({404})


class OrderLookup(InTurn):
    stages = (PublicReads, OrderMisses)


def count_page_miss(request: HttpRequest) -> None:
    """Count a page that does not exist, in the same bucket as look-ups that found nothing. Raises RateLimited."""
    if settings.RATE_LIMIT_ENABLED and count(request, OrderMisses.bucket, address_of(request)).is_over:
        raise RateLimited


def count_pay(request: HttpRequest, order_id: UUID) -> None:
    """Count a guest's try to get a payment page for this order. Raises RateLimited."""
    if settings.RATE_LIMIT_ENABLED and count(request, "pay", str(order_id)).is_over:
        raise RateLimited


class Newsletter(Exact):
    """Forms that make us send mail to an address somebody typed in."""

    bucket = "newsletter"


def count_bad_signature(request: Request) -> None:
    """Count a webhook call whose signature did not fit; good ones are never counted. Raises Throttled."""
    _count_guess(request, "bad_signatures")


def count_wrong_proof(request: Request) -> None:
    """Count a look-up that named another address than the buyer's: a guess like one that found nothing.

    Raises Throttled.
    """
    _count_guess(request, OrderMisses.bucket)


def _count_guess(request: Request, bucket: str) -> None:
    if not settings.RATE_LIMIT_ENABLED:
        return
    usage = count(request._request, bucket, address_of(request._request))
    if usage.is_over:
        raise Throttled(wait=usage.reset)


# --- Around the views ---------------------------------------------------------------------------------------


class RateLimits:
    """Tells each caller how much is left, and counts those who were turned away before any bucket was asked."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        give_back(request, response.status_code)
        if is_uncounted_refusal(request, response):
            throttle = Anonymous()
            if not throttle.allow_request(request, None):
                response = refusal_response(RateLimited())
                response.headers["Retry-After"] = str(max(1, round(throttle.wait() or 1)))
        usage = noted(request)
        for name, value in usage.headers().items() if usage else ():
            response.headers[name] = value
        if usage and response.status_code == RateLimited.status:
            response.headers.setdefault("Retry-After", str(usage.reset))
        return response


def is_uncounted_refusal(request: HttpRequest, response: HttpResponse) -> bool:
    """DRF asks its throttles last, after the token and the role have been checked."""
    view = getattr(getattr(request.resolver_match, "func", None), "cls", None)
    return response.status_code in (401, 403) and noted(request) is None and bool(getattr(view, "throttle_classes", ()))


def limit_sign_in(view: Page) -> Page:
    """The sign-in limits in front of a page with a `username` field: the same buckets as the API's."""
    return _limited(view, lambda request: _count_sign_in(request, normal_account(request.POST.get("username", ""))))


def limit_own_password(view: Page) -> Page:
    """The limit in front of a page that asks a signed-in user for the old password: the same bucket as the API's."""
    return _limited(view, lambda request: count(request, OwnPassword.bucket, f"user {request.user.pk}"))


def _limited(view: Page, charge: Callable[[HttpRequest], Usage]) -> Page:
    @wraps(view)
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST" or not settings.RATE_LIMIT_ENABLED:
            return view(request, *args, **kwargs)
        try:
            usage = charge(request)
        except (Unavailable, *DATABASE_AWAY):
            return _page(request, 503, RETRY_AFTER_SECONDS)
        return _page(request, 429, usage.reset) if usage.is_over else view(request, *args, **kwargs)

    return limited


def _count_sign_in(request: HttpRequest, account: str | None) -> Usage:
    usage = count(request, SignInAddress.bucket, address_of(request))
    return usage if usage.is_over or not account else count(request, SignInAccount.bucket, account)


def _page(request: HttpRequest, status: int, seconds: int) -> HttpResponse:
    minutes = -(-seconds // 60)
    context = {"minutes": minutes, "is_busy": status == 503, "path": request.path}
    # Without the request: its context would look the user up, in a database that may be away.
    return HttpResponse(render_to_string(FULL_PAGE, context), status=status, headers={"Retry-After": str(seconds)})
