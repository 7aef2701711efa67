"""What payment providers call: /api/webhook/payment."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from homeproductions.errors import LengthRequired, NotFound, TooLarge
from homeproductions.openapi import refusals
from homeproductions.throttles import count_bad_signature
from orders.errors import InvalidSignature
from orders.providers import standard
from orders.services import payments

from .serializers import WebhookAnswer

MAX_BODY_BYTES = 256 * 1024
KEPT_HEADERS = ("webhook-id", "webhook-timestamp", "svix-id", "svix-timestamp", "content-type", "user-agent")


class PaymentWebhook(APIView):
    """A signed notice (Standard Webhooks or svix headers). It is stored, then applied; a replay is a quiet 200."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    # All deliveries come from a few addresses: only bad signatures are counted, and good ones always get through.
    throttle_classes = ()
    provider = standard.NAME

    @extend_schema(
        request={"application/json": dict},
        responses={
            200: WebhookAnswer,
            **refusals(
                _401="INVALID_SIGNATURE",
                _404="NOT_FOUND: no secret is configured",
                _411="LENGTH_REQUIRED",
                _413="PAYLOAD_TOO_LARGE",
            ),
        },
        auth=[],
        tags=["webhook"],
    )
    def post(self, request: Request) -> Response:
        if not standard.is_configured():
            raise NotFound
        body = raw_body(request)
        event_id = verified(request, body)
        headers = {name: request.headers[name] for name in KEPT_HEADERS if name in request.headers}
        delivery = payments.store_delivery(provider=self.provider, event_id=event_id, body=body, headers=headers)
        return Response(self.answer(payments.apply_delivery(delivery.pk)))

    def answer(self, result: payments.Result) -> dict[str, Any]:
        answer = {"received": True, "processed": result.processed}
        return {**answer, "reason": result.reason} if result.reason else answer


class RecurrenteWebhook(PaymentWebhook):
    """The provider's own route, signed with svix headers. Its answer has always been this short."""

    provider = "recurrente"

    def answer(self, result: payments.Result) -> dict[str, Any]:
        return {"received": True}


def verified(request: Request, body: bytes) -> str:
    """The event's id. Raises InvalidSignature, or Throttled after too many of those."""
    try:
        return standard.verify(request.headers, body)
    except InvalidSignature:
        count_bad_signature(request)
        raise


def raw_body(request: Request) -> bytes:
    """The bytes as they were sent. Raises LengthRequired or TooLarge before reading anything.

    A chunked body would arrive empty and look like a forged one.
    """
    length = request.META.get("CONTENT_LENGTH")
    if not length or request.META.get("HTTP_TRANSFER_ENCODING"):
        raise LengthRequired
    if int(length) > MAX_BODY_BYTES:
        raise TooLarge
    return request._request.body
