"""What a phone at the door calls: /api/checkin."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from accounts.authentication import require_user
from homeproductions.api import ok
from homeproductions.openapi import refusals
from homeproductions.shapes import shown
from homeproductions.views import ApiView
from orders import queries
from orders.services import checkin

from .serializers import (
    AdmittedTicket,
    CheckInAnswer,
    CheckInBody,
    DoorOrder,
    VerifiedTicket,
    VerifyAnswer,
    at_the_door,
)


class CheckIn(ApiView):
    """Let an order in, once. All its people enter on one scan."""

    @extend_schema(
        request=CheckInBody,
        responses={
            200: CheckInAnswer,
            **refusals(
                _400="MISSING_REQUIRED_FIELDS, NOT_PAID, WRONG_EVENT, EVENT_NOT_ACTIVE, "
                "ALREADY_CHECKED_IN (with `checkedInAt`)",
                _401="NO_TOKEN, INVALID_TOKEN",
                _404="ORDER_NOT_FOUND",
            ),
        },
        tags=["door"],
    )
    def post(self, request: Request) -> HttpResponse:
        scan = checkin.Scan(actor=require_user(request), **CheckInBody.parse(request))
        admitted = checkin.check_in(scan)
        order = at_the_door(admitted.order, admitted)
        people = "person" if order.quantity == 1 else "people"
        return ok(
            message=f"Welcome! Admit {order.quantity} {people}.",
            ticket=shown(AdmittedTicket, order),
            order=shown(DoorOrder, order),
        )


class Verify(ApiView):
    """Look at a ticket without using it. Orders of any status are shown."""

    @extend_schema(
        responses={200: VerifyAnswer, **refusals(_401="NO_TOKEN, INVALID_TOKEN", _404="ORDER_NOT_FOUND")},
        tags=["door"],
    )
    def get(self, request: Request, number: str) -> HttpResponse:
        order = queries.find_presented(number)
        ticket: Any = at_the_door(order, next(iter(order.checkins.all()), None))
        return ok(ticket=shown(VerifiedTicket, ticket), order=shown(DoorOrder, ticket))
