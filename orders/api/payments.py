"""Money that waits for a person: /api/admin/payments."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from accounts.authentication import require_user
from accounts.permissions import IsOffice
from homeproductions.api import ok
from homeproductions.fields import Money, OptionalText, StrictBoolean, Text, Timestamp
from homeproductions.openapi import SIGNED_IN, refusals
from homeproductions.request_data import Page, RequestBody, flag
from homeproductions.shapes import shown, shown_all
from homeproductions.views import ApiView
from orders import alerts, queries
from orders.journal import major_units
from orders.models import Payment
from orders.services import review

NOT_FOUND = "PAYMENT_NOT_FOUND"
TAGS = ["admin: payments"]


class PaymentSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(Payment.Kind.choices)
    provider = serializers.CharField()
    reference = serializers.CharField(help_text="The provider's id of this movement of money.")
    checkoutReference = serializers.CharField(source="checkout_reference", allow_null=True)
    amount = serializers.SerializerMethodField(help_text="Null when the provider did not say.")
    fee = serializers.SerializerMethodField(help_text="What the provider keeps, where known.")
    currency = serializers.CharField(allow_blank=True)
    payerEmail = serializers.CharField(source="payer_email", allow_blank=True)
    orderId = serializers.UUIDField(source="order_id", allow_null=True)
    orderNumber = serializers.CharField(source="order.order_number", allow_null=True, default=None)
    orderStatus = serializers.CharField(source="order.status", allow_null=True, default=None)
    chargeId = serializers.UUIDField(source="charge_id", allow_null=True, help_text="What a refund takes back.")
    isWaiting = serializers.BooleanField(source="is_waiting")
    needsReview = serializers.CharField(source="needs_review", allow_blank=True, help_text="Why; empty: it does not.")
    reason = serializers.CharField(source="get_needs_review_display", help_text="The same for people.")
    answerBy = serializers.SerializerMethodField(help_text="Later than this a dispute is lost.")
    outcome = serializers.CharField(allow_blank=True)
    outcomeNote = serializers.CharField(source="outcome_note", allow_blank=True)
    reviewedAt = Timestamp(source="reviewed_at", allow_null=True)
    createdAt = Timestamp(source="created_at")

    def get_amount(self, payment: Payment) -> float | None:
        return _money(payment.amount_minor)

    def get_fee(self, payment: Payment) -> float | None:
        return _money(payment.fee_minor)

    def get_answerBy(self, payment: Payment) -> str | None:
        deadline = alerts.dispute_deadline(payment)
        return Timestamp().to_representation(deadline) if deadline else None


class PaymentListAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    payments = PaymentSerializer(many=True)
    count = serializers.IntegerField(help_text="Rows in this answer.")
    total = serializers.IntegerField()
    totalPages = serializers.IntegerField()
    page = serializers.IntegerField()
    limit = serializers.IntegerField()


class PaymentAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    message = serializers.CharField()
    payment = PaymentSerializer()


class AssignBody(RequestBody):
    orderId = Text(source="order", max_length=100, help_text="The order's number or id.")
    acceptDifference = StrictBoolean(source="accept_difference", default=False)
    note = OptionalText(max_length=2000)

    aliases = {"orderId": ["orderNumber", "order_number"]}


class AcceptLateBody(RequestBody):
    orderId = OptionalText(
        source="order_id", max_length=100, help_text="Number or id of the closed order, when the payment names none."
    )
    acceptDifference = StrictBoolean(source="accept_difference", default=False)


class NoteBody(RequestBody):
    note = OptionalText(max_length=2000)


class IgnoreBody(RequestBody):
    note = Text(max_length=2000, help_text="Why nothing has to be done.")


def _money(minor: int | None) -> float | None:
    return Money().to_representation(major_units(minor)) if minor is not None else None


class PaymentList(ApiView):
    """Every movement of money that a provider told of; what waits for a person comes first."""

    permission_classes = (IsOffice,)

    @extend_schema(
        parameters=[
            OpenApiParameter("needsReview", bool, description="Only what waits for a person."),
            OpenApiParameter("limit", int, description="Rows a page: 100 by default, 200 at most."),
            OpenApiParameter("page", int, description="From 1; wins over `offset`."),
            OpenApiParameter("offset", int),
        ],
        responses={200: PaymentListAnswer, **refusals(_400="VALIDATION_ERROR", **SIGNED_IN)},
        tags=TAGS,
    )
    def get(self, request: Request) -> HttpResponse:
        page = Page.of(request, default=100)
        wanted = request.query_params.get("needsReview") or request.query_params.get("needs_review") or ""
        if flag(wanted):
            waiting = queries.payments_waiting()
            total, payments = waiting.count(), list(waiting[page.offset : page.offset + page.limit])
        else:
            total = Payment.objects.count()
            payments = queries.page_of_payments(limit=page.limit, offset=page.offset)
        shown = shown_all(PaymentSerializer, payments)
        return ok(
            payments=shown,
            count=len(shown),
            total=total,
            totalPages=page.pages_of(total),
            page=page.number,
            limit=page.limit,
        )


class Assign(ApiView):
    """Let a payment that waits pay a pending order, or be the money of one that was marked paid by hand."""

    permission_classes = (IsOffice,)

    @extend_schema(
        request=AssignBody,
        responses={
            200: PaymentAnswer,
            **refusals(
                _400="MISSING_REQUIRED_FIELDS, VALIDATION_ERROR, ALREADY_REVIEWED, WRONG_PAYMENT_KIND, "
                "ORDER_NOT_PENDING, AMOUNT_DIFFERS (unless acceptDifference)",
                _404=f"{NOT_FOUND}, ORDER_NOT_FOUND",
                **SIGNED_IN,
            ),
        },
        tags=TAGS,
    )
    def post(self, request: Request, reference: str) -> HttpResponse:
        body = AssignBody.parse(request)
        payment = queries.find_payment(reference)
        order = queries.find_by_number_or_id(body["order"])
        review.assign(
            payment.pk,
            order.pk,
            actor=require_user(request),
            accept_difference=body["accept_difference"],
            note=body.get("note") or "",
        )
        return settled(payment, f"The payment belongs to order {order.order_number}.")


class AcceptLate(ApiView):
    """Accept money that came too late: a new order with the same content, paid, if there are seats left."""

    permission_classes = (IsOffice,)

    @extend_schema(
        request=AcceptLateBody,
        responses={
            200: PaymentAnswer,
            **refusals(
                _400="VALIDATION_ERROR, ALREADY_REVIEWED, WRONG_PAYMENT_KIND, AMOUNT_DIFFERS (unless "
                "acceptDifference), ORDER_NOT_PENDING, SOLD_OUT, EVENT_NOT_ACTIVE, SALE_ENDED",
                _404=f"{NOT_FOUND}, ORDER_NOT_FOUND",
                **SIGNED_IN,
            ),
        },
        tags=TAGS,
    )
    def post(self, request: Request, reference: str) -> HttpResponse:
        body = AcceptLateBody.parse(request)
        payment = queries.find_payment(reference)
        named = queries.find_by_number_or_id(body["order_id"]).pk if body.get("order_id") else None
        order = review.accept_late(
            payment.pk, actor=require_user(request), order_id=named, accept_difference=body["accept_difference"]
        )
        return settled(payment, f"Order {order.order_number} is paid; its ticket is on its way by e-mail.")


class MarkRefunded(ApiView):
    """Note that a payment was given back at the provider, that a dispute was lost, or that a refund which failed or was
    due is made. The order that the money had paid is refunded. A refund whose payment has not arrived is refused."""

    permission_classes = (IsOffice,)

    @extend_schema(
        request=NoteBody,
        responses={
            200: PaymentAnswer,
            **refusals(_400="VALIDATION_ERROR, ALREADY_REVIEWED, WRONG_PAYMENT_KIND", _404=NOT_FOUND, **SIGNED_IN),
        },
        tags=TAGS,
    )
    def post(self, request: Request, reference: str) -> HttpResponse:
        body = NoteBody.parse(request)
        payment = queries.find_payment(reference)
        review.mark_refunded(payment.pk, actor=require_user(request), note=body.get("note") or "")
        return settled(payment, "Noted as given back.")


class Ignore(ApiView):
    """Take a payment off the list, for the reason in the note. Not one that a guest paid for a closed or unpaid order,
    and no refund that is owed."""

    permission_classes = (IsOffice,)

    @extend_schema(
        request=IgnoreBody,
        responses={
            200: PaymentAnswer,
            **refusals(
                _400="MISSING_REQUIRED_FIELDS, VALIDATION_ERROR, ALREADY_REVIEWED, WRONG_PAYMENT_KIND",
                _404=NOT_FOUND,
                **SIGNED_IN,
            ),
        },
        tags=TAGS,
    )
    def post(self, request: Request, reference: str) -> HttpResponse:
        body = IgnoreBody.parse(request)
        payment = queries.find_payment(reference)
        review.ignore(payment.pk, actor=require_user(request), note=body["note"])
        return settled(payment, "Off the list.")


def settled(payment: Payment, message: str) -> HttpResponse:
    return ok(message=message, payment=shown(PaymentSerializer, queries.find_payment(str(payment.pk))))
