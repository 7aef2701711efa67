"""How calls are counted: exactly over all processes where it matters, by each process for itself elsewhere."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import structlog
from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest
from django.utils.connection import ConnectionProxy
from django_ratelimit import core
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle, SimpleRateThrottle

from .api import DATABASE_AWAY
from .errors import Unavailable
from .middleware import client_address

logger = structlog.get_logger(__name__)

EVERY_STATUS: frozenset[int] = frozenset()


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
