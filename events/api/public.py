"""What is on: /api/events."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from events import queries
from homeproductions import throttles
from homeproductions.openapi import refusals
from homeproductions.public_answers import remembered
from homeproductions.shapes import shown, shown_all
from homeproductions.views import ApiView

from .serializers import EventAnswer, EventListAnswer, EventSerializer


class EventList(ApiView):
    """Nights on sale with their tickets, next night first."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (throttles.PublicReads,)

    @extend_schema(responses={200: EventListAnswer}, auth=[], tags=["events"])
    def get(self, request: Request) -> HttpResponse:
        return remembered("events", request._request, _on_sale)


class EventDetail(ApiView):
    """One night, by id or slug."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (throttles.PublicReads,)

    @extend_schema(responses={200: EventAnswer, **refusals(_404="EVENT_NOT_FOUND")}, auth=[], tags=["events"])
    def get(self, request: Request, reference: str) -> HttpResponse:
        return remembered(
            ("event", reference),
            request._request,
            lambda: {"event": shown(EventSerializer, queries.visible_event(reference))},
        )


def _on_sale() -> dict[str, Any]:
    events = shown_all(EventSerializer, queries.on_sale())
    return {"events": events, "count": len(events)}
