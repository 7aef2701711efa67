"""Sign-in for staff: /api/auth."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import services
from homeproductions.api import RequestBody, Text, ok
from homeproductions.openapi import refusals


class LoginBody(RequestBody):
    email = Text(max_length=255)
    password = Text(trim_whitespace=False)


class UserSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    email = serializers.CharField()
    name = serializers.CharField()
    role = serializers.CharField()


class SessionSerializer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    accessToken = serializers.CharField(source="access_token")
    refreshToken = serializers.CharField(source="refresh_token")
    user = UserSerializer()


class Login(APIView):
    """Sign in with e-mail and password."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        request=LoginBody,
        responses={
            200: SessionSerializer,
            **refusals(_400="MISSING_REQUIRED_FIELDS", _401="INVALID_CREDENTIALS"),
        },
        auth=[],
        tags=["auth"],
    )
    def post(self, request: Request) -> Response:
        session = services.log_in(**LoginBody.parse(request))
        return ok(**session_payload(session))


def session_payload(session: services.Session) -> dict[str, Any]:
    return {
        "accessToken": session.access_token,
        "refreshToken": session.refresh_token,
        "user": dict(UserSerializer(session.user).data),
    }
