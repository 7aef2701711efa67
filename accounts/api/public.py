"""Sign-in for staff: /api/auth."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from accounts.authentication import require_user
from accounts.services import passwords, sessions
from homeproductions import throttles
from homeproductions.api import ok
from homeproductions.openapi import Message, refusals
from homeproductions.shapes import shown
from homeproductions.views import ApiView

from .serializers import LoginBody, MeAnswer, MeSerializer, PasswordBody, RefreshBody, SessionAnswer, UserSerializer

SIGNED_OUT = "You are signed out everywhere."


class Login(ApiView):
    """Sign in with e-mail and password."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (throttles.SignIn,)

    @extend_schema(
        request=LoginBody,
        responses={
            200: SessionAnswer,
            **refusals(_400="MISSING_REQUIRED_FIELDS, VALIDATION_ERROR", _401="INVALID_CREDENTIALS"),
        },
        auth=[],
        tags=["auth"],
    )
    def post(self, request: Request) -> HttpResponse:
        return ok(**session_payload(sessions.log_in(**LoginBody.parse(request))))


class Refresh(ApiView):
    """Trade a refresh token for a new pair. Each token is good once."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (throttles.SessionCalls,)

    @extend_schema(
        request=RefreshBody,
        responses={
            200: SessionAnswer,
            **refusals(_400="MISSING_REQUIRED_FIELDS, VALIDATION_ERROR", _401="INVALID_REFRESH_TOKEN"),
        },
        auth=[],
        tags=["auth"],
    )
    def post(self, request: Request) -> HttpResponse:
        return ok(**session_payload(sessions.refresh(**RefreshBody.parse(request))))


class Logout(ApiView):
    """End every session of the caller, on all devices."""

    throttle_classes = (throttles.SessionCalls,)

    @extend_schema(request=None, responses={200: Message, **refusals(_401="NO_TOKEN, INVALID_TOKEN")}, tags=["auth"])
    def post(self, request: Request) -> HttpResponse:
        sessions.log_out(require_user(request))
        return ok(message=SIGNED_OUT)


class ChangePassword(ApiView):
    """Set a new password. Every session ends; sign in again with the new one."""

    throttle_classes = (throttles.PasswordChange,)

    @extend_schema(
        request=PasswordBody,
        responses={
            200: Message,
            **refusals(
                _400="MISSING_REQUIRED_FIELDS, VALIDATION_ERROR (too weak), INVALID_PASSWORD",
                _401="NO_TOKEN, INVALID_TOKEN",
            ),
        },
        tags=["auth"],
    )
    def post(self, request: Request) -> HttpResponse:
        passwords.change_password(require_user(request), **PasswordBody.parse(request))
        return ok(message="Your password is changed. Please sign in again.")


class Me(ApiView):
    """Who the token belongs to."""

    throttle_classes = (throttles.SessionCalls,)

    @extend_schema(responses={200: MeAnswer, **refusals(_401="NO_TOKEN, INVALID_TOKEN")}, tags=["auth"])
    def get(self, request: Request) -> HttpResponse:
        return ok(user=shown(MeSerializer, require_user(request)))


def session_payload(session: sessions.Session) -> dict[str, Any]:
    return {
        "accessToken": session.access_token,
        "refreshToken": session.refresh_token,
        "user": shown(UserSerializer, session.user),
    }
