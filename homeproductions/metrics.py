"""GET /metrics: figures for Prometheus, in its text format. Off unless METRICS_TOKEN is set.

Requests are those of this web server, all its workers together: scrape each server by itself. Everything else comes
from the database and is the same whichever server answers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any

from django.conf import settings
from django.db import Error
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from accounts.errors import InvalidToken, NoToken
from orders import statistics
from orders.models import Payment

from .errors import NotFound
from .mail import heartbeat
from .mail import queries as mail
from .memory import Memory
from .openapi import refusals
from .statements import run
from .throttles import Anonymous
from .traffic import traffic
from .views import ApiView

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "homeproductions"
# Of all databases of the server, for they share what it allows; whoever may connect may ask this.
CONNECTIONS = """
SELECT (SELECT sum(numbackends) FROM pg_stat_database)::int,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
       - coalesce(current_setting('reserved_connections', true), '0')::int
"""


class Impatient(Anonymous):
    """Whoever comes with a wrong token may not guess on for ever; the right one is never limited."""

    def allow_request(self, request: Any, view: Any) -> bool:
        return has_token(request) or super().allow_request(request, view)


class Metrics(ApiView):
    """For Prometheus; the description of each figure stands with it."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (Impatient,)

    @extend_schema(
        responses={
            (200, "text/plain"): OpenApiResponse(OpenApiTypes.STR, description="The text format, version 0.0.4"),
            **refusals(_401="NO_TOKEN, INVALID_TOKEN", _404="NOT_FOUND: no METRICS_TOKEN is set"),
        },
        auth=[{"metricsToken": []}],  # type: ignore[list-item]
        tags=["health"],
    )
    def get(self, request: Request) -> HttpResponse:
        if not settings.METRICS_TOKEN:
            raise NotFound
        if "Authorization" not in request.headers:
            raise NoToken
        if not has_token(request):
            raise InvalidToken("The token is not the one of METRICS_TOKEN.")
        return HttpResponse("".join(written(families())), content_type=CONTENT_TYPE)


def has_token(request: Request) -> bool:
    """Whether the caller knows METRICS_TOKEN. Never true while there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    known = settings.METRICS_TOKEN
    return bool(known) and scheme.lower() == "bearer" and compare_digest(token.strip().encode(), known.encode())


# --- The text format ----------------------------------------------------------------------------------------------

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Family:
    """One figure with its description, and its value for each set of labels. Labels are words of our own code."""

    name: str
    kind: str
    text: str
    samples: list[tuple[Labels, float]] = field(default_factory=list)


def gauge(name: str, text: str, value: float | None) -> Family:
    """Without a value when there is none to give: a missing figure can be told from zero."""
    return Family(name, "gauge", text, [] if value is None else [({}, value)])


def gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Family:
    return Family(name, "gauge", text, [({label: word}, value) for word, value in values.items()])


def written(families: list[Family]) -> Iterator[str]:
    """Line by line, as Prometheus reads it."""
    for family in families:
        name = f"{PREFIX}_{family.name}"
        yield f"# HELP {name} {family.text}\n# TYPE {name} {family.kind}\n"
        for labels, value in family.samples:
            named = ",".join(f'{label}="{word}"' for label, word in labels.items())
            yield f"{name}{{{named}}} {value}\n" if named else f"{name} {value}\n"


# --- The figures --------------------------------------------------------------------------------------------------

# They count through whole tables: many who ask in the same moment get the same answer.
_stored: Memory[list[Family]] = Memory(times=5)


def families() -> list[Family]:
    """What there is to tell; while the database is away, that and the requests."""
    try:
        stored = _stored.get("all", from_database)
    except Error:
        stored = []
    return [
        Family("info", "gauge", "The version of this web server.", [({"version": settings.VERSION}, 1)]),
        gauge("database_up", "1 when the database answers, 0 when it does not.", int(bool(stored))),
        *_requests(),
        *stored,
    ]


def _requests() -> list[Family]:
    answers = [({"route": route, "status": status}, count) for (route, status), count in traffic.answers().items()]
    seconds: list[tuple[Labels, float]] = [({"route": route}, time) for route, time in traffic.seconds().items()]
    return [
        Family("requests_total", "counter", "Requests answered by this web server.", [*answers]),
        Family("request_seconds_total", "counter", "Seconds that answering them took.", seconds),
    ]


def from_database() -> list[Family]:
    """Raises a database error."""
    return [*_orders(), *_outbox(), *_money(), *_connections()]


def _orders() -> list[Family]:
    holds = statistics.holds_live(timezone.now())
    return [
        gauges("orders", "Orders, without test orders.", "status", statistics.orders_by_status()),
        gauge("live_holds", "Unpaid orders whose hold is not over.", holds["orders"]),
        gauge("held_seats", "Seats that they keep from others.", holds["seats"]),
    ]


def _outbox() -> list[Family]:
    signs = heartbeat.signs()
    return [
        gauges("mails", "Mails in the outbox.", "state", mail.by_state()),
        gauge(
            "oldest_unsent_mail_seconds",
            "Age of the oldest mail that is not sent yet; 0 when all are sent.",
            signs.oldest_unsent or 0,
        ),
        gauge(
            "worker_heartbeat_age_seconds",
            "Since a worker was last alive; missing when none ever was.",
            signs.last_beat,
        ),
        gauge("workers_alive", "Worker loops alive in the last ten minutes that have not ended.", signs.loops),
    ]


def _money() -> list[Family]:
    reasons = dict.fromkeys(filter(None, Payment.Review.values), 0)
    waiting = {reason.review: reason.payments for reason in statistics.payments_waiting()}
    return [
        gauges("payments_waiting", "Payments that wait for a person.", "reason", {**reasons, **waiting}),
        gauge("notices_failed", "Payment notices that could not be applied yet.", statistics.notices_failed()),
    ]


def _connections() -> list[Family]:
    used, allowed = run(CONNECTIONS, ())
    return [
        gauge("database_connections", "Connections to the PostgreSQL server, by whomever.", used),
        gauge("database_connections_allowed", "How many it allows to ordinary users.", allowed),
    ]
