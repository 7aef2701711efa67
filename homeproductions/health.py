"""GET /health: whether this instance can sell, for the platform's probe (contract 2.1)."""

from typing import Any

from django.conf import settings
from django.db import Error, connection
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from .api import json_answer, timestamp
from .views import ApiView

HEALTH_WORDS = ("healthy", "unhealthy")
CONFIGURED_WORDS = ("configured", "not_configured")


class DatabaseHealth(serializers.Serializer[Any]):
    status = serializers.ChoiceField(HEALTH_WORDS)
    connected = serializers.BooleanField()


class HealthAnswer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(HEALTH_WORDS)
    version = serializers.CharField()
    timestamp = serializers.CharField()
    database = DatabaseHealth()
    email = serializers.ChoiceField(CONFIGURED_WORDS)
    cloudinary = serializers.ChoiceField(CONFIGURED_WORDS)


class Health(ApiView):
    """200 when the database answers, 503 when it does not. No envelope."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()

    @extend_schema(responses={200: HealthAnswer, 503: HealthAnswer}, auth=[], tags=["health"])
    def get(self, request: Request) -> HttpResponse:
        connected = database_answers()
        word = "healthy" if connected else "unhealthy"
        return json_answer(
            {
                "status": word,
                "version": settings.VERSION,
                "timestamp": timestamp(timezone.now()),
                "database": {"status": word, "connected": connected},
                "email": _configured(settings.EMAIL_IS_CONFIGURED),
                "cloudinary": _configured(settings.CLOUDINARY_IS_CONFIGURED),
            },
            status=200 if connected else 503,
        )


def database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    except Error:
        return False


def _configured(yes: bool) -> str:
    return "configured" if yes else "not_configured"
