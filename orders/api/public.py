"""What guests call: /api/orders."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from homeproductions import throttles
from homeproductions.api import ok
from homeproductions.openapi import refusals
from homeproductions.shapes import shown
from homeproductions.views import ApiView
from orders import links, queries
from orders.models import Order
from orders.services import checkout, paying, tickets
from orders.services.idempotency import Attempt

from .serializers import OrderAnswer, OrderBody, OrderCreatedAnswer, OrderSerializer, masked

RECEIVED = "Order received. Your ticket comes by e-mail once it is paid."
READY = "You are in. Your ticket is on its way by e-mail."
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]{1,255}$"},
    OpenApiParameter.HEADER,
    description="A name of your own for this attempt to order, best a random UUID. Sent again within 24 hours with "
    "the same body, it gets the same answer and orders nothing more; with another body it is refused (422). "
    "A refused attempt is not remembered.",
)


class OrderCreate(ApiView):
    """Order tickets of one tier. The seats are held; the ticket comes by e-mail once the order is paid."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (throttles.OrderCreation,)

    @extend_schema(
        request=OrderBody,
        parameters=[IDEMPOTENCY_KEY],
        responses={
            201: OrderCreatedAnswer,
            **refusals(
                _400="MISSING_REQUIRED_FIELDS, VALIDATION_ERROR, EVENT_NOT_ACTIVE, TIER_NOT_ACTIVE, "
                "SALE_NOT_STARTED, SALE_ENDED, SOLD_OUT",
                _404="TIER_NOT_FOUND",
                _422="IDEMPOTENCY_KEY_REUSED",
            ),
        },
        auth=[],
        tags=["orders"],
    )
    def post(self, request: Request) -> HttpResponse:
        wish = OrderBody.parse(request)
        placed = checkout.place_once(attempt_of(request, wish), **wish)
        order, paid = placed.order, placed.first_status == Order.Status.PAID
        if not order.checkout_url:
            paying.start(order)  # committed; if it fails, the order's page tries again
        return ok(
            status=201,
            order={**shown(OrderSerializer, order), "status": placed.first_status, **no_longer_payable(order)},
            qrCode=tickets.current_code(order) if paid else None,
            orderUrl=links.order_url(order),
            message=READY if paid else RECEIVED,
        )


def no_longer_payable(order: Order) -> dict[str, None]:
    """A repeated answer is the first one, but it must not send anybody to pay for what is over."""
    return {} if order.status == Order.Status.PAID or paying.can_be_paid(order) else {"paymentLink": None}


def attempt_of(request: Request, wish: dict[str, Any]) -> Attempt | None:
    """None without the header; an empty one is not valid. Raises Invalid."""
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    return Attempt.of(key, wish) if key is not None else None


class OrderDetail(ApiView):
    """Look an order up by its number. Personal data is masked unless `email` is the address it was placed with, or
    `token` the one in the address of the order's page."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (throttles.OrderLookup,)

    @extend_schema(
        parameters=[
            OpenApiParameter("email", str, description="The buyer's address, as proof of ownership."),
            OpenApiParameter("token", str, description="The token in `orderUrl`, as proof of ownership."),
        ],
        responses={200: OrderAnswer, **refusals(_404="ORDER_NOT_FOUND")},
        auth=[],
        tags=["orders"],
    )
    def get(self, request: Request, number: str) -> HttpResponse:
        order = queries.find_for_guest(number)
        return ok(order=shown_to(request, order))


def shown_to(request: Request, order: Order) -> dict[str, Any]:
    """In full for the owner, masked for everybody else."""
    email, token = (request.query_params.get(name, "").strip() for name in ("email", "token"))
    # Somebody who bought at the door left no address; then none proves anything.
    if (email and email.lower() == order.buyer_email.lower()) or (token and links.proves(token, order)):
        return shown(OrderSerializer, order)
    if email or token:
        throttles.count_wrong_proof(request)
    return masked(order)
