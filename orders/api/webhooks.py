"""What payment providers call: /api/webhook/payment and /api/webhook/recurrente."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from homeproductions.api import json_answer
from homeproductions.errors import LengthRequired, NotFound, TooLarge
from homeproductions.openapi import refusals
from homeproductions.throttles import count_bad_signature
from homeproductions.views import ApiView
from orders.errors import InvalidSignature
from orders.providers import recurrente, registry
from orders.services import deliveries
from orders.services.payments import Result

from .serializers import WebhookAnswer

MAX_BODY_BYTES = 256 * 1024
KEPT_HEADERS = ("webhook-id", "webhook-timestamp", "svix-id", "svix-timestamp", "content-type", "user-agent")
DESCRIBED: dict[str, Any] = {
    "request": {"application/json": dict},
    "responses": {
        200: WebhookAnswer,
        **refusals(
            _401="INVALID_SIGNATURE",
            _404="NOT_FOUND: no secret of this provider is configured",
            _411="LENGTH_REQUIRED",
            _413="PAYLOAD_TOO_LARGE",
        ),
    },
    "auth": [],
    "tags": ["webhook"],
}


class Webhook(ApiView):
    """A signed notice is stored, then applied; a replay is a quiet 200, and so is one that cannot be applied yet."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    # All deliveries come from a few addresses: only bad signatures are counted, and good ones always get through.
    throttle_classes = ()

    def receive(self, request: Request) -> HttpResponse:
        body = raw_body(request)
        provider, event_id = self.verified(request, body)
        headers = {name: request.headers[name] for name in KEPT_HEADERS if name in request.headers}
        delivery = deliveries.store_delivery(provider=provider, event_id=event_id, body=body, headers=headers)
        return json_answer(self.answer(deliveries.try_stored(delivery.pk)))

    def answer(self, result: Result) -> dict[str, Any]:
        answer = {"received": True, "processed": result.processed}
        return {**answer, "reason": result.reason} if result.reason else answer

    def verified(self, request: Request, body: bytes) -> tuple[str, str]:
        """The provider's name and its id of the event. Raises NotFound, InvalidSignature, or Throttled after too
        many of those."""
        try:
            return self.sender(request, body)
        except InvalidSignature:
            count_bad_signature(request)
            raise

    def sender(self, request: Request, body: bytes) -> tuple[str, str]:
        raise NotImplementedError


class PaymentWebhook(Webhook):
    """A notice of any provider, told apart by its signature: Standard Webhooks, Svix (Recurrente) or Stripe."""

    @extend_schema(**DESCRIBED)
    def post(self, request: Request) -> HttpResponse:
        return self.receive(request)

    def sender(self, request: Request, body: bytes) -> tuple[str, str]:
        provider, event_id = registry.sender(request.headers, body)
        return provider.NAME, event_id


class RecurrenteWebhook(Webhook):
    """A notice of Recurrente, whatever it looks like. The answer of this route has always been short."""

    @extend_schema(**DESCRIBED)
    def post(self, request: Request) -> HttpResponse:
        return self.receive(request)

    def sender(self, request: Request, body: bytes) -> tuple[str, str]:
        if not recurrente.is_configured():
            raise NotFound
        return recurrente.NAME, recurrente.verify(request.headers, body)

    def answer(self, result: Result) -> dict[str, Any]:
        return {"received": True}


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
