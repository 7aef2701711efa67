"""Planning nights: /api/admin/events."""

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from accounts.authentication import require_user
from accounts.permissions import StaffReadsOfficeWrites
from events import queries
from events.services import planning
from homeproductions.api import ok
from homeproductions.openapi import SIGNED_IN, Message, refusals
from homeproductions.request_data import flag
from homeproductions.shapes import shown, shown_all
from homeproductions.views import ApiView

from .serializers import (
    AdminEventAnswer,
    AdminEventListAnswer,
    AdminEventSerializer,
    EventBody,
    EventChangeBody,
    EventCreatedAnswer,
)


class AdminEventList(ApiView):
    """All nights with all their tiers, latest first."""

    permission_classes = (StaffReadsOfficeWrites,)

    @extend_schema(
        parameters=[
            OpenApiParameter("status", str, description="Exactly this status; `all` or empty for every one."),
            OpenApiParameter("search", str, description="Part of the name, venue or location."),
            OpenApiParameter("includeDeleted", bool),
        ],
        responses={200: AdminEventListAnswer, **refusals(**SIGNED_IN)},
        tags=["admin: events"],
    )
    def get(self, request: Request) -> HttpResponse:
        query = request.query_params
        events = queries.planned(
            status=query.get("status", ""),
            search=query.get("search", "").strip(),
            include_deleted=flag(query.get("includeDeleted", query.get("include_deleted", ""))),
        )
        shown = shown_all(AdminEventSerializer, events)
        return ok(events=shown, count=len(shown))

    @extend_schema(
        request=EventBody,
        responses={201: EventCreatedAnswer, **refusals(_400="VALIDATION_ERROR, CONSTRAINT_ERROR", **SIGNED_IN)},
        tags=["admin: events"],
    )
    def post(self, request: Request) -> HttpResponse:
        data = EventBody.parse(request)
        event = planning.create_event(data, data.pop("tiers", []), actor=require_user(request))
        return ok(status=201, event={"id": str(event.pk), "name": event.name}, message="The event was created.")


class AdminEventDetail(ApiView):
    """One night, of any status."""

    permission_classes = (StaffReadsOfficeWrites,)

    @extend_schema(
        responses={200: AdminEventAnswer, **refusals(_404="EVENT_NOT_FOUND", **SIGNED_IN)}, tags=["admin: events"]
    )
    def get(self, request: Request, reference: str) -> HttpResponse:
        return ok(event=shown(AdminEventSerializer, queries.planned_event(reference)))

    @extend_schema(
        request=EventChangeBody,
        responses={
            200: Message,
            **refusals(_400="VALIDATION_ERROR, CONSTRAINT_ERROR", _404="EVENT_NOT_FOUND", **SIGNED_IN),
        },
        tags=["admin: events"],
    )
    def put(self, request: Request, reference: str) -> HttpResponse:
        event = queries.planned_event(reference)
        data = EventChangeBody.parse(request)
        planning.update_event(event.pk, data, data.pop("tiers", None), actor=require_user(request))
        return ok(message="The event was saved.")

    @extend_schema(responses={200: Message, **refusals(_404="EVENT_NOT_FOUND", **SIGNED_IN)}, tags=["admin: events"])
    def delete(self, request: Request, reference: str) -> HttpResponse:
        """Hide the night; saving it with another status brings it back."""
        planning.delete_event(queries.planned_event(reference).pk, actor=require_user(request))
        return ok(message="The event was deleted.")
