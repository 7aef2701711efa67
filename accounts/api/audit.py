"""Who did what: /api/admin/stats/audit."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from accounts.permissions import IsOffice
from audit.models import AuditLog
from homeproductions.api import ok
from homeproductions.fields import Timestamp
from homeproductions.openapi import refusals
from homeproductions.request_data import Page
from homeproductions.shapes import shown_all
from homeproductions.views import ApiView


class AuditSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    userId = serializers.UUIDField(source="user_id", allow_null=True)
    userEmail = serializers.CharField(source="user.email", default=None, allow_null=True)
    userName = serializers.CharField(source="user.name", default=None, allow_null=True)
    action = serializers.CharField()
    entityType = serializers.CharField(source="entity_type")
    entityId = serializers.UUIDField(source="entity_id", allow_null=True)
    oldValue = serializers.DictField(source="old_value", allow_null=True)
    newValue = serializers.DictField(source="new_value", allow_null=True)
    ipAddress = serializers.CharField(source="ip_address", allow_null=True)
    createdAt = Timestamp(source="created_at")


class AuditAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    logs = AuditSerializer(many=True)
    count = serializers.IntegerField()


class AuditList(ApiView):
    """The audit, newest first."""

    permission_classes = (IsOffice,)

    @extend_schema(
        parameters=[
            OpenApiParameter("entityType", str, description="event, order, user, ..."),
            OpenApiParameter("action", str, description="LOGIN, STATUS_CHANGE, CHECKIN, ..."),
            OpenApiParameter("limit", int, description="50 by default, 200 at most."),
            OpenApiParameter("offset", int),
            OpenApiParameter("page", int),
        ],
        responses={
            200: AuditAnswer,
            **refusals(_400="VALIDATION_ERROR", _401="NO_TOKEN, INVALID_TOKEN", _403="FORBIDDEN"),
        },
        tags=["admin: statistics"],
    )
    def get(self, request: Request) -> HttpResponse:
        query, page = request.query_params, Page.of(request, default=50)
        logs = AuditLog.objects.select_related("user").order_by("-created_at", "-id")
        wanted = {
            "entity_type": query.get("entityType") or query.get("entity_type"),
            "action": query.get("action"),
        }
        logs = logs.filter(**{name: value for name, value in wanted.items() if value})
        shown = shown_all(AuditSerializer, logs[page.offset : page.offset + page.limit])
        return ok(logs=shown, count=len(shown))
