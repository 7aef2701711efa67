"""What the office does with orders: /api/admin/orders and /api/admin/checkins."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from accounts.authentication import require_user
from accounts.models import User
from accounts.permissions import IsOffice, IsStaff
from accounts.roles import is_office
from homeproductions.api import ok
from homeproductions.errors import Invalid
from homeproductions.mail.models import OutboxEmail
from homeproductions.memory import Memory
from homeproductions.openapi import SIGNED_IN, refusals
from homeproductions.request_data import Page, query_id
from homeproductions.shapes import columns_of, shown, shown_all, shown_values
from homeproductions.views import ApiView
from orders import queries
from orders.models import Order
from orders.services import checkout, status, tickets

from .serializers import (
    AdminOrderAnswer,
    AdminOrderListAnswer,
    AdminOrderSerializer,
    CheckInListAnswer,
    CheckInSerializer,
    MailedAnswer,
    MarkedPaidAnswer,
    MarkPaidBody,
    StatusBody,
    TestOrderAnswer,
    TestOrderBody,
    TestOrderSerializer,
    without_private,
)

TAGS = ["admin: orders"]
# Counting reads every row; whoever pages through them need not wait for that each time.
_totals: Memory[int] = Memory(times=5)

QUEUED = "The ticket is on its way by e-mail."


class AdminOrderList(ApiView):
    """Orders, newest first."""

    permission_classes = (IsStaff,)

    @extend_schema(
        parameters=[
            OpenApiParameter("eventId", str),
            OpenApiParameter("status", str, description="Exactly this status; an unknown one finds nothing."),
            OpenApiParameter("search", str, description="Part of the buyer's name, address or the order number."),
            OpenApiParameter("limit", int, description="Rows a page: 100 by default, 200 at most."),
            OpenApiParameter("page", int, description="From 1; wins over `offset`."),
            OpenApiParameter("offset", int),
        ],
        responses={200: AdminOrderListAnswer, **refusals(_400="VALIDATION_ERROR", **SIGNED_IN)},
        tags=TAGS,
    )
    def get(self, request: Request) -> HttpResponse:
        query, page = request.query_params, Page.of(request, default=100)
        wanted = query.get("status", "")
        chosen: dict[str, Any] = {
            "event_id": query_id(request, "eventId", "event_id"),
            "status": wanted if wanted != "all" else "",
            "search": query.get("search", "").strip(),
        }
        total = _totals.get(tuple(chosen.values()), lambda: queries.listed(**chosen).count())
        columns = columns_of(AdminOrderSerializer)
        rows = queries.page_listed(columns, chosen, limit=page.limit, offset=page.offset)
        seen = shown_values(AdminOrderSerializer, rows)
        if not is_office(require_user(request).role):
            seen = [without_private(row) for row in seen]
        return ok(
            orders=seen,
            count=len(seen),
            total=total,
            totalPages=page.pages_of(total),
            page=page.number,
            limit=page.limit,
        )


class AdminOrderDetail(ApiView):
    """One order, by id."""

    permission_classes = (IsStaff,)

    @extend_schema(responses={200: AdminOrderAnswer, **refusals(_404="ORDER_NOT_FOUND", **SIGNED_IN)}, tags=TAGS)
    def get(self, request: Request, reference: str) -> HttpResponse:
        return ok(order=shown_to(require_user(request), queries.find_by_id(reference)))


def shown_to(user: User, order: Order) -> dict[str, Any]:
    row = shown(AdminOrderSerializer, order)
    return row if is_office(user.role) else without_private(row)


class OrderStatus(ApiView):
    """Move an order along its graph: pending to paid or cancelled, paid to refunded. Repeating is harmless."""

    permission_classes = (IsOffice,)

    @extend_schema(
        request=StatusBody,
        responses={
            200: MailedAnswer,
            **refusals(
                _400="VALIDATION_ERROR (with `validStatuses`), ORDER_NOT_PENDING, CANNOT_CANCEL_NON_PENDING, "
                "CANNOT_REFUND_NON_PAID, ALREADY_CHECKED_IN (refund of a guest who is inside)",
                _404="ORDER_NOT_FOUND",
                **SIGNED_IN,
            ),
        },
        tags=TAGS,
    )
    def put(self, request: Request, reference: str) -> HttpResponse:
        body = StatusBody.parse(request)
        order = queries.find_by_id(reference)
        change_status(order, body, request)
        return ok(message=f"The order is {body['status']}.", emailSent=is_ticket_sent(order))


def change_status(order: Order, body: dict[str, Any], request: Request) -> None:
    actor = require_user(request)
    match body["status"]:
        case Order.Status.PAID:
            reference = body.get("payment_reference")
            wants_mail = body["send_email"] is not False
            status.mark_paid(order.pk, actor=actor, reference=reference, send_email=wants_mail)
        case Order.Status.CANCELLED:
            status.cancel(order.pk, actor=actor)
        case Order.Status.REFUNDED:
            status.refund(order.pk, actor=actor, force=bool(body["force"]))
        case _:
            raise Invalid(
                f"An order cannot be made {body['status']!r}.", validStatuses=["paid", "cancelled", "refunded"]
            )


class ResendEmail(ApiView):
    """Mail the ticket of a paid order again."""

    permission_classes = (IsOffice,)

    @extend_schema(
        request=None,
        responses={
            200: MailedAnswer,
            **refusals(
                _400="NOT_PAID, GUEST_FORGOTTEN, NO_EMAIL_ADDRESS, EMAIL_LEAVING", _404="ORDER_NOT_FOUND", **SIGNED_IN
            ),
        },
        tags=TAGS,
    )
    def post(self, request: Request, reference: str) -> HttpResponse:
        status.resend_ticket(queries.find_by_id(reference).pk, actor=require_user(request))
        return ok(message=QUEUED, emailSent=False)


class CreateTestOrder(ApiView):
    """A paid order to try things out with, outside stock and revenue."""

    permission_classes = (IsOffice,)

    @extend_schema(
        request=TestOrderBody,
        responses={
            200: TestOrderAnswer,
            **refusals(
                _400="MISSING_REQUIRED_FIELDS, VALIDATION_ERROR, EVENT_NOT_ACTIVE, TIER_NOT_ACTIVE",
                _404="TIER_NOT_FOUND",
                **SIGNED_IN,
            ),
        },
        tags=TAGS,
    )
    def post(self, request: Request) -> HttpResponse:
        order: Any = checkout.place_test_order(actor=require_user(request), **TestOrderBody.parse(request))
        order.code = tickets.current_code(order)
        return ok(message="The test order is paid.", order=shown(TestOrderSerializer, order), emailSent=False)


class MarkPaid(ApiView):
    """Old callers' way to confirm a payment by order number or id."""

    permission_classes = (IsOffice,)

    @extend_schema(
        request=MarkPaidBody,
        responses={
            200: MarkedPaidAnswer,
            **refusals(
                _400="MISSING_REQUIRED_FIELDS, VALIDATION_ERROR, ORDER_NOT_PENDING", _404="ORDER_NOT_FOUND", **SIGNED_IN
            ),
        },
        tags=TAGS,
    )
    def post(self, request: Request) -> HttpResponse:
        order = queries.find_by_number_or_id(MarkPaidBody.parse(request)["order_id"])
        status.mark_paid(order.pk, actor=require_user(request), provider="admin_legacy")
        return ok(message="The order is paid.", emailSent=is_ticket_sent(order), order_id=order.order_number)


class RecentCheckIns(ApiView):
    """Who was let in last."""

    permission_classes = (IsStaff,)

    @extend_schema(
        parameters=[OpenApiParameter("limit", int, description="10 by default, 200 at most.")],
        responses={200: CheckInListAnswer, **refusals(_400="VALIDATION_ERROR", **SIGNED_IN)},
        tags=["door"],
    )
    def get(self, request: Request) -> HttpResponse:
        page = Page.of(request, default=10)
        checkins = queries.recent_checkins()[page.offset : page.offset + page.limit]
        seen = shown_all(CheckInSerializer, checkins)
        return ok(checkins=seen, count=len(seen))


def is_ticket_sent(order: Order) -> bool:
    """Whether the order's newest ticket mail has left already; the worker sends, never the request."""
    newest = order.emails.filter(email_type=OutboxEmail.Kind.TICKET).order_by("-created_at").first()
    return newest is not None and newest.status == OutboxEmail.Status.SENT
