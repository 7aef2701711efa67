"""How often one caller may ask (contract 1.8). The numbers are settings; each class here is one bucket of them.

A view names its bucket in `throttle_classes`; without a name, signed-in staff and everybody else have one each.
What must be exact (sign-in, orders, look-up misses, newsletter, bad signatures) is counted by all processes together;
reads and signed-in staff by each process for itself, because sharing the count would cost more than the answer.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from .api import DATABASE_AWAY, RETRY_AFTER_SECONDS, refusal_response
from .counting import Exact, PerProcess, Usage, account_in, address_of, count, give_back, normal_account, noted
from .errors import RateLimited, Unavailable
from .middleware import GetResponse

Page = Callable[..., HttpResponseBase]
FULL_PAGE = "public/too_many_requests.html"


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
