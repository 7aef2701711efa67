"""Sign-in on the wire (contract 2.2)."""

from typing import Any

from rest_framework import serializers

from homeproductions.fields import OptionalUUID, Text, Timestamp
from homeproductions.request_data import RequestBody


class LoginBody(RequestBody):
    email = Text(max_length=255)
    password = Text(trim_whitespace=False)


class RefreshBody(RequestBody):
    refreshToken = Text(source="token", max_length=4096)
    userId = OptionalUUID(source="user_id")


class PasswordBody(RequestBody):
    currentPassword = Text(source="current", trim_whitespace=False)
    newPassword = Text(source="new", trim_whitespace=False)


class UserSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    email = serializers.CharField()
    name = serializers.CharField()
    role = serializers.CharField()


class MeSerializer(UserSerializer):
    """In snake_case, as this one answer has always been."""

    last_login_at = Timestamp(source="last_login", allow_null=True)
    created_at = Timestamp()


class SessionAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    accessToken = serializers.CharField(source="access_token")
    refreshToken = serializers.CharField(source="refresh_token", help_text="Opaque; good for one refresh.")
    user = UserSerializer()


class MeAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    user = MeSerializer()
