"""What is on: /api/events."""

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from events import queries
from homeproductions import throttles
from homeproductions.api import ok
from homeproductions.openapi import refusals

from .serializers import EventAnswer, EventListAnswer, EventSerializer


class EventList(APIView):
    """Nights on sale with their tickets, next night first."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (throttles.PublicReads,)

    @extend_schema(responses={200: EventListAnswer}, auth=[], tags=["events"])
    def get(self, request: Request) -> Response:
        events = EventSerializer(queries.on_sale(), many=True).data
        return ok(events=events, count=len(events))


class EventDetail(APIView):
    """One night, by id or slug."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (throttles.PublicReads,)

    @extend_schema(responses={200: EventAnswer, **refusals(_404="EVENT_NOT_FOUND")}, auth=[], tags=["events"])
    def get(self, request: Request, reference: str) -> Response:
        return ok(event=EventSerializer(queries.visible_event(reference)).data)
