"""What guests call: /api/orders."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from homeproductions import throttles
from homeproductions.api import ok
from homeproductions.openapi import refusals
from orders import queries
from orders.models import Order
from orders.services import checkout, tickets

from .serializers import OrderAnswer, OrderBody, OrderCreatedAnswer, OrderSerializer, masked

RECEIVED = "Order received. Your ticket comes by e-mail once it is paid."
READY = "You are in. Your ticket is on its way by e-mail."


class OrderCreate(APIView):
    """Order tickets of one tier. The seats are held; the ticket comes by e-mail once the order is paid."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (throttles.OrderCreation,)

    @extend_schema(
        request=OrderBody,
        responses={
            201: OrderCreatedAnswer,
            **refusals(
                _400="MISSING_REQUIRED_FIELDS, VALIDATION_ERROR, EVENT_NOT_ACTIVE, TIER_NOT_ACTIVE, "
                "SALE_NOT_STARTED, SALE_ENDED, SOLD_OUT",
                _404="TIER_NOT_FOUND",
            ),
        },
        auth=[],
        tags=["orders"],
    )
    def post(self, request: Request) -> Response:
        order = checkout.place_order(**OrderBody.parse(request))
        paid = order.status == Order.Status.PAID
        return ok(
            status=201,
            order=OrderSerializer(order).data,
            qrCode=tickets.current_code(order) if paid else None,
            message=READY if paid else RECEIVED,
        )


class OrderDetail(APIView):
    """Look an order up by its number. Personal data is masked unless `email` is the address it was placed with."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (throttles.OrderLookup,)

    @extend_schema(
        parameters=[OpenApiParameter("email", str, description="The buyer's address, as proof of ownership.")],
        responses={200: OrderAnswer, **refusals(_404="ORDER_NOT_FOUND")},
        auth=[],
        tags=["orders"],
    )
    def get(self, request: Request, number: str) -> Response:
        order = queries.find_by_number(number)
        return ok(order=shown_to(request, order))


def shown_to(request: Request, order: Order) -> dict[str, Any]:
    """In full for the owner, masked for everybody else."""
    full = dict(OrderSerializer(order).data)
    email = request.query_params.get("email", "").strip().lower()
    if email == order.buyer_email.lower():
        return full
    if email:
        throttles.count_wrong_proof(request)
    return masked(full)
