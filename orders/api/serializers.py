"""Orders and check-ins on the wire (contract 2.4 and 2.5)."""

import re
from typing import Any

from rest_framework import serializers

from homeproductions.fields import (
    EmailAddress,
    Money,
    NightDate,
    NightTime,
    OptionalText,
    OptionalUUID,
    StrictBoolean,
    StrictInteger,
    Text,
    Timestamp,
    UUIDText,
    on_one_line,
)
from homeproductions.request_data import RequestBody
from homeproductions.shapes import shown
from orders import links
from orders.models import CheckIn, Order

HIDDEN = "***"


class OrderBody(RequestBody):
    eventId = UUIDText(source="event_id")
    tierId = UUIDText(source="tier_id")
    buyerName = Text(source="buyer_name", max_length=255, validators=[on_one_line])
    buyerEmail = EmailAddress(source="buyer_email")
    buyerPhone = OptionalText(source="buyer_phone", max_length=50, validators=[on_one_line])
    buyerCountry = OptionalText(source="buyer_country", max_length=100, validators=[on_one_line])
    buyerNationality = OptionalText(source="buyer_nationality", max_length=100, validators=[on_one_line])
    quantity = StrictInteger(min_value=1, max_value=10**6, default=1, allow_null=True)
    paymentMethod = OptionalText(source="payment_method", max_length=50, validators=[on_one_line])
    referralSource = OptionalText(source="referral_source", max_length=100)

    def validate_quantity(self, value: int | None) -> int:
        return 1 if value is None else value


class OrderSerializer(serializers.Serializer[Any]):
    """An order in full, for whoever placed it or proved to own it."""

    id = serializers.UUIDField()
    orderNumber = serializers.CharField(source="order_number")
    eventId = serializers.UUIDField(source="event_id")
    eventName = serializers.CharField(source="event.name")
    eventDate = NightDate(source="event.event_date")
    eventTime = NightTime(source="event.event_time")
    eventLocation = serializers.CharField(source="event.location")
    tierId = serializers.UUIDField(source="tier_id")
    tierName = serializers.CharField(source="tier.name")
    buyerName = serializers.CharField(source="buyer_name")
    buyerEmail = serializers.CharField(source="buyer_email")
    buyerPhone = serializers.CharField(source="buyer_phone", allow_null=True)
    buyerCountry = serializers.CharField(source="buyer_country", allow_null=True)
    quantity = serializers.IntegerField()
    unitPrice = Money(source="unit_price")
    totalPrice = Money(source="total_price", max_digits=12)
    currency = serializers.CharField()
    status = serializers.ChoiceField(Order.Status.choices)
    paymentMethod = serializers.CharField(source="payment_method", allow_null=True)
    paymentLink = serializers.SerializerMethodField(
        help_text="Where to pay: a page for this order alone, or the tier's link, which is the same for everybody."
    )
    holdExpiresAt = Timestamp(
        source="hold_expires_at",
        allow_null=True,
        help_text="Until when the order keeps its seats unpaid; null: without a limit.",
    )
    createdAt = Timestamp(source="created_at")

    def get_paymentLink(self, order: Order) -> str | None:
        return links.payment_link(order)


class OrderCreatedAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    order = OrderSerializer()
    qrCode = serializers.CharField(allow_null=True, help_text="The ticket code; null until the order is paid.")
    orderUrl = serializers.CharField(
        help_text="The order's own page: how to pay, and later the ticket. Whoever has it is the guest."
    )
    message = serializers.CharField()


class OrderAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    order = OrderSerializer()


def masked(order: Order) -> dict[str, Any]:
    """The same keys with the guest's data made unreadable, for somebody who only has the number."""
    return {
        **shown(OrderSerializer, order),
        "buyerName": " ".join(part[:1] + HIDDEN for part in order.buyer_name.split()),
        "buyerEmail": re.sub(r"^(.).*@(.).*(\.[^.]+)$", rf"\1{HIDDEN}@\2{HIDDEN}\3", order.buyer_email),
        "buyerPhone": HIDDEN if order.buyer_phone else None,
        "buyerCountry": HIDDEN if order.buyer_country else None,
        # The order's own payment page may show the guest's address.
        "paymentLink": order.tier.payment_link,
    }


class CheckInBody(RequestBody):
    """Any of the four names may hold a ticket code, the JSON of a ticket's QR, an order number or an order id."""

    qrCode = OptionalText(source="qr_code", max_length=1000)
    orderId = OptionalText(source="order_id", max_length=1000)
    orderNumber = OptionalText(source="order_number", max_length=1000)
    eventId = OptionalUUID(source="event_id")
    nonce = OptionalText(max_length=100)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        shown = data.get("qr_code") or data.get("order_number") or data.get("order_id")
        if not shown:
            raise serializers.ValidationError("Send qr_code or order_number.", code="required")
        return {"text": shown, "event_id": data.get("event_id"), "nonce": data.get("nonce")}


class AdmittedTicket(serializers.Serializer[Any]):
    """The short answer that a scanner shows: `id` is the order number, `name` the guest."""

    id = serializers.CharField(source="order_number")
    name = serializers.CharField(source="buyer_name")
    tier = serializers.CharField(source="tier.name")
    event = serializers.CharField(source="event.name")
    quantity = serializers.IntegerField()


class VerifiedTicket(serializers.Serializer[Any]):
    orderNumber = serializers.CharField(source="order_number")
    buyerName = serializers.CharField(source="buyer_name")
    event = serializers.CharField(source="event.name")
    eventDate = NightDate(source="event.event_date")
    tier = serializers.CharField(source="tier.name")
    quantity = serializers.IntegerField()
    status = serializers.ChoiceField(Order.Status.choices)
    checkedIn = serializers.BooleanField(source="checked_in")
    checkedInAt = Timestamp(source="checked_in_at", allow_null=True)


class DoorOrder(serializers.Serializer[Any]):
    """The order as the admin front end's check-in page reads it, in both casings."""

    id = serializers.UUIDField()
    order_number = serializers.CharField()
    orderNumber = serializers.CharField(source="order_number")
    buyer_name = serializers.CharField()
    buyerName = serializers.CharField(source="buyer_name")
    buyer_email = serializers.CharField()
    buyerEmail = serializers.CharField(source="buyer_email")
    event_name = serializers.CharField(source="event.name")
    eventName = serializers.CharField(source="event.name")
    event_date = NightDate(source="event.event_date")
    tier_name = serializers.CharField(source="tier.name")
    tierName = serializers.CharField(source="tier.name")
    quantity = serializers.IntegerField()
    status = serializers.ChoiceField(Order.Status.choices)
    checked_in = serializers.BooleanField()
    checkedIn = serializers.BooleanField(source="checked_in")
    checked_in_at = Timestamp(allow_null=True)
    checkedInAt = Timestamp(source="checked_in_at", allow_null=True)


class CheckInAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    message = serializers.CharField()
    ticket = AdmittedTicket()
    order = DoorOrder()


class VerifyAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    ticket = VerifiedTicket()
    order = DoorOrder()


class WebhookAnswer(serializers.Serializer[Any]):
    """The webhook's own shape (contract 2.8), outside the envelope."""

    received = serializers.BooleanField()
    processed = serializers.BooleanField(required=False)
    reason = serializers.CharField(required=False)


def at_the_door(order: Order, checkin: CheckIn | None) -> Order:
    """The order with the two facts that a door needs beside it."""
    order.checked_in = checkin is not None  # type: ignore[attr-defined]
    order.checked_in_at = checkin.checked_in_at if checkin else None  # type: ignore[attr-defined]
    return order


# --- The office (contract 2.10) ------------------------------------------------------------------------------


class AdminOrderSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    orderNumber = serializers.CharField(source="order_number")
    eventId = serializers.UUIDField(source="event_id")
    eventName = serializers.CharField(source="event.name")
    eventDate = NightDate(source="event.event_date")
    tierId = serializers.UUIDField(source="tier_id")
    tierName = serializers.CharField(source="tier.name")
    buyerName = serializers.CharField(source="buyer_name")
    buyerEmail = serializers.CharField(source="buyer_email")
    buyerPhone = serializers.CharField(source="buyer_phone", allow_null=True)
    buyerCountry = serializers.CharField(source="buyer_country", allow_null=True)
    buyerNationality = serializers.CharField(source="buyer_nationality", allow_null=True)
    quantity = serializers.IntegerField()
    unitPrice = Money(source="unit_price")
    totalPrice = Money(source="total_price", max_digits=12)
    currency = serializers.CharField()
    status = serializers.ChoiceField(Order.Status.choices)
    paymentMethod = serializers.CharField(source="payment_method", allow_null=True)
    payment_method = serializers.CharField(allow_null=True)
    paymentProvider = serializers.CharField(source="payment_provider", allow_null=True)
    paymentReference = serializers.CharField(source="payment_reference", allow_null=True)
    paymentConfirmedAt = Timestamp(source="payment_confirmed_at", allow_null=True)
    emailStatus = serializers.CharField(source="email_status", allow_null=True)
    emailSentAt = Timestamp(source="email_sent_at", allow_null=True)
    checkedInAt = Timestamp(source="checked_in_at", allow_null=True)
    isTest = serializers.BooleanField(source="is_test")
    createdAt = Timestamp(source="created_at")


# What a door does not need to know about a guest (names and numbers stand on the ticket).
OFFICE_ONLY = ("buyerPhone", "buyerNationality", "paymentReference")


def without_private(order: dict[str, Any]) -> dict[str, Any]:
    """The same keys for door staff, with the guest's private data left empty."""
    return {**order, **dict.fromkeys(OFFICE_ONLY)}


class AdminOrderListAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    orders = AdminOrderSerializer(many=True)
    count = serializers.IntegerField(help_text="Rows in this answer.")
    total = serializers.IntegerField()
    totalPages = serializers.IntegerField()
    page = serializers.IntegerField()
    limit = serializers.IntegerField()


class AdminOrderAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    order = AdminOrderSerializer()


class StatusBody(RequestBody):
    status = Text(max_length=50)
    paymentReference = OptionalText(source="payment_reference", max_length=255, validators=[on_one_line])
    sendEmail = StrictBoolean(source="send_email", default=True, allow_null=True)
    force = StrictBoolean(default=False, allow_null=True, help_text="Refund although the guest is inside.")


class MarkPaidBody(RequestBody):
    orderId = Text(source="order_id", max_length=100, help_text="Order number or id.")


class TestOrderBody(RequestBody):
    eventId = UUIDText(source="event_id")
    tierId = UUIDText(source="tier_id")
    buyerName = Text(source="buyer_name", max_length=255, validators=[on_one_line])
    buyerEmail = EmailAddress(source="buyer_email")
    buyerPhone = OptionalText(source="buyer_phone", max_length=50, validators=[on_one_line])
    quantity = StrictInteger(min_value=1, max_value=100, default=1)
    sendEmail = StrictBoolean(source="send_email", default=True)


class MailedAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    message = serializers.CharField()
    emailSent = serializers.BooleanField(help_text="False: the ticket is queued and leaves within seconds.")


class MarkedPaidAnswer(MailedAnswer):
    order_id = serializers.CharField(help_text="The order number.")


class TestOrderSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    orderNumber = serializers.CharField(source="order_number")
    eventName = serializers.CharField(source="event.name")
    tierName = serializers.CharField(source="tier.name")
    buyerName = serializers.CharField(source="buyer_name")
    buyerEmail = serializers.CharField(source="buyer_email")
    quantity = serializers.IntegerField()
    totalPrice = Money(source="total_price", max_digits=12)
    status = serializers.ChoiceField(Order.Status.choices)
    qrCode = serializers.CharField(source="code")


class TestOrderAnswer(MailedAnswer):
    order = TestOrderSerializer()


class CheckInSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    orderNumber = serializers.CharField(source="order.order_number")
    buyerName = serializers.CharField(source="order.buyer_name")
    buyerEmail = serializers.CharField(source="order.buyer_email")
    quantity = serializers.IntegerField(source="admitted")
    eventName = serializers.CharField(source="order.event.name")
    tierName = serializers.CharField(source="order.tier.name")
    checkedInAt = Timestamp(source="checked_in_at")


class CheckInListAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    checkins = CheckInSerializer(many=True)
    count = serializers.IntegerField()
