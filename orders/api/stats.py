"""Figures: /api/admin/stats."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from accounts.permissions import IsOffice
from homeproductions.api import ok
from homeproductions.fields import Money, Timestamp
from homeproductions.memory import Memory
from homeproductions.openapi import refusals
from homeproductions.request_data import query_id
from homeproductions.shapes import shown
from homeproductions.views import ApiView
from orders import statistics
from orders.season import season, total


class OrdersByStatus(serializers.Serializer[Any]):
    pending = serializers.IntegerField()
    paid = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    refunded = serializers.IntegerField()


class OrderCounts(OrdersByStatus):
    checkedIn = serializers.IntegerField(help_text="All check-ins, also of orders refunded since.")


class EventCounts(serializers.Serializer[Any]):
    active = serializers.IntegerField()
    draft = serializers.IntegerField()


class EventStatistics(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    date = serializers.DateField()
    sold = serializers.IntegerField()
    capacity = serializers.IntegerField()
    revenue = Money(max_digits=14)
    checkedIn = serializers.IntegerField(help_text="People.")


class MailCounts(serializers.Serializer[Any]):
    sent = serializers.IntegerField()
    pending = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="Without those that nobody wanted any more.")


class RecentOrder(serializers.Serializer[Any]):
    orderNumber = serializers.CharField(source="order_number")
    buyerName = serializers.CharField(source="buyer_name")
    total = Money(source="total_price", max_digits=12)
    status = serializers.CharField()
    event = serializers.CharField(source="event.name")
    createdAt = Timestamp(source="created_at")


class NestedStatistics(serializers.Serializer[Any]):
    """The shape of the old server's two builds together."""

    orders = OrderCounts()
    revenue = Money(max_digits=14)
    revenueByCurrency = serializers.DictField(child=Money(max_digits=14))
    ticketsSold = serializers.IntegerField()
    checkedIn = serializers.IntegerField(help_text="Check-ins of paid orders, counted in orders.")
    activeEvents = serializers.IntegerField()
    events = EventCounts()
    referrals = serializers.DictField(child=serializers.IntegerField())
    eventStats = EventStatistics(many=True)
    emails = MailCounts()
    recentOrders = RecentOrder(many=True)


class StatisticsAnswer(serializers.Serializer[Any]):
    """Flat where the admin front end looks, and nested as older callers know it. Test orders count nowhere."""

    success = serializers.BooleanField()
    totalEvents = serializers.IntegerField(help_text="Events that are not deleted.")
    activeEvents = serializers.IntegerField()
    totalOrders = serializers.IntegerField()
    paidOrders = serializers.IntegerField()
    totalRevenue = Money(max_digits=14)
    totalTickets = serializers.IntegerField(help_text="Tickets of paid orders.")
    checkedIn = serializers.IntegerField(help_text="People of paid orders who are inside.")
    ordersByStatus = OrdersByStatus()
    eventStats = EventStatistics(many=True)
    stats = NestedStatistics()


class Statistics(ApiView):
    """The season in figures, at most five seconds old."""

    permission_classes = (IsOffice,)

    @extend_schema(
        parameters=[OpenApiParameter("eventId", str, description="Only this event's orders and check-ins.")],
        responses={
            200: StatisticsAnswer,
            **refusals(_400="VALIDATION_ERROR", _401="NO_TOKEN, INVALID_TOKEN", _403="FORBIDDEN"),
        },
        tags=["admin: statistics"],
    )
    def get(self, request: Request) -> HttpResponse:
        event_id = query_id(request, "eventId", "event_id")
        return ok(**_answers.get(event_id, lambda: _answer(event_id)))


# Front ends ask again and again, and each time every check-in would be added up.
_answers: Memory[dict[str, Any]] = Memory(times=5)


def _answer(event_id: UUID | None) -> dict[str, Any]:
    answer = shown(StatisticsAnswer, gather(event_id))
    return {name: value for name, value in answer.items() if name != "success"}


def gather(event_id: UUID | None) -> dict[str, Any]:
    orders = statistics.orders_by_status(event_id)
    nights = season()
    whole = nights[event_id] if event_id else total(nights)
    # Callers expect one number; `revenueByCurrency` tells the currencies apart.
    revenue = sum(whole.earned.values(), Decimal(0))
    events = statistics.events_by_status()
    per_event = statistics.per_event(nights)
    return {
        "success": True,
        "totalEvents": sum(events.values()) - events["deleted"],
        "activeEvents": events["active"],
        "totalOrders": sum(orders.values()),
        "paidOrders": orders["paid"],
        "totalRevenue": revenue,
        "totalTickets": whole.tickets,
        "checkedIn": whole.people_inside,
        "ordersByStatus": orders,
        "eventStats": per_event,
        "stats": {
            "orders": {**orders, "checkedIn": whole.checkins},
            "revenue": revenue,
            "revenueByCurrency": whole.earned,
            "ticketsSold": whole.tickets,
            "checkedIn": whole.orders_inside,
            "activeEvents": events["active"],
            "events": events,
            "referrals": statistics.referrals(),
            "eventStats": per_event,
            "emails": statistics.mails_by_status(),
            "recentOrders": statistics.recent_orders(event_id),
        },
    }
