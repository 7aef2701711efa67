"""Whether this instance can sell (`/health`, contract 2.1), and whether it is there at all (`/health/live`)."""

from typing import Any

from django.conf import settings
from django.db import Error
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from .api import RETRY_AFTER_SECONDS, json_answer
from .fields import timestamp
from .mail import heartbeat
from .mail.heartbeat import Signs
from .views import ApiView

HEALTH_WORDS = ("healthy", "unhealthy")
CONFIGURED_WORDS = ("configured", "not_configured")
NO_SIGNS = Signs(oldest_unsent=None, last_beat=None)


class DatabaseHealth(serializers.Serializer[Any]):
    status = serializers.ChoiceField(HEALTH_WORDS)
    connected = serializers.BooleanField()


class OutboxHealth(serializers.Serializer[Any]):
    oldestUnsentSeconds = serializers.IntegerField(
        allow_null=True, help_text="Since the oldest mail that is not sent yet was promised; null when all are sent."
    )


class WorkerHealth(serializers.Serializer[Any]):
    lastHeartbeatSeconds = serializers.IntegerField(
        allow_null=True, help_text="Since a worker was last alive; null when none ever was."
    )


class HealthAnswer(serializers.Serializer[Any]):
    """Both ages are null as well while the database is away."""

    status = serializers.ChoiceField(HEALTH_WORDS)
    version = serializers.CharField()
    timestamp = serializers.CharField()
    database = DatabaseHealth()
    email = serializers.ChoiceField(CONFIGURED_WORDS)
    cloudinary = serializers.ChoiceField(CONFIGURED_WORDS)
    outbox = OutboxHealth()
    worker = WorkerHealth()


class LiveAnswer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(("alive",))
    version = serializers.CharField()


class OpenToProbes(ApiView):
    """Asked every few seconds by the platform, which has no token and must never be limited."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()


class Health(OpenToProbes):
    """200 when the database answers, 503 when it does not. No envelope.

    The ages of mail and worker change nothing about that: this instance can sell while no mail leaves.
    """

    @extend_schema(responses={200: HealthAnswer, 503: HealthAnswer}, auth=[], tags=["health"])
    def get(self, request: Request) -> HttpResponse:
        found = signs_of_life()
        word = "unhealthy" if found is None else "healthy"
        signs = found or NO_SIGNS
        answer = json_answer(
            {
                "status": word,
                "version": settings.VERSION,
                "timestamp": timestamp(timezone.now()),
                "database": {"status": word, "connected": found is not None},
                "email": _configured(settings.EMAIL_IS_CONFIGURED),
                "cloudinary": _configured(settings.CLOUDINARY_IS_CONFIGURED),
                "outbox": {"oldestUnsentSeconds": _whole(signs.oldest_unsent)},
                "worker": {"lastHeartbeatSeconds": _whole(signs.last_beat)},
            },
            status=503 if found is None else 200,
        )
        if found is None:
            answer["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return answer


class Live(OpenToProbes):
    """200 as long as this process answers. Asks no database: restarting this one would not bring that back."""

    @extend_schema(responses=LiveAnswer, auth=[], tags=["health"])
    def get(self, request: Request) -> HttpResponse:
        return json_answer({"status": "alive", "version": settings.VERSION})


def signs_of_life() -> Signs | None:
    """None when the database does not answer."""
    try:
        return heartbeat.signs()
    except Error:
        return None


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)


def _configured(yes: bool) -> str:
    return "configured" if yes else "not_configured"
