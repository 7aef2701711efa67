"""How the office's screens say what an order is."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from events.models import Event
from orders.models import Order
from orders.providers.registry import BY_NAME
from orders.services.box_office import COMP, DOOR
from orders.services.review import BY_HAND

# Who or what took the money: (word in an address, what it says, condition).
PAID_BY: Sequence[tuple[str, str, Q]] = (
    ("online", "Online", Q(payment_provider__in=tuple(BY_NAME))),
    ("hand", "Marked paid by hand", Q(payment_provider__in=[name for name in BY_HAND if name != DOOR])),
    ("cash", "Cash at the door", Q(payment_provider=DOOR, payment_method="cash")),
    ("card", "Card at the door", Q(payment_provider=DOOR, payment_method="card")),
    ("comp", "Given away", Q(payment_provider=COMP)),
    ("free", "Free ticket", Q(payment_provider="free")),
    ("test", "Test", Q(payment_provider="test")),
)
TONES = {"paid": "good", "pending": "wait", "cancelled": "off", "refunded": "off"}


def people(number: int) -> str:
    return "1 person" if number == 1 else f"{number} people"


def seats(number: int) -> str:
    return "1 seat" if number == 1 else f"{number} seats"


def money(order: Order) -> str:
    return f"{order.total_price} {order.currency}"


def night(event: Event) -> str:
    return f"{event.name}, {event.event_date:%a %d %b %Y}"


def night_lines(event: Event) -> SafeString:
    date = f"{event.event_date:%a %d %b %Y}"
    return format_html('{}<br><span class="quiet-line">{}</span>', event.name, date)


def content(order: Order) -> str:
    return f"{order.quantity} x {order.tier.name} for {night(order.event)}, {money(order)}"


def moment(at: Any) -> str:
    return f"{timezone.localtime(at):%d %b %Y, %H:%M}" if at else "-"


def pill(status: str) -> SafeString:
    """A status as a word in a frame of its colour."""
    return format_html('<span class="pill pill-{}">{}</span>', TONES.get(status, "off"), status)


def paid_by(order: Order) -> str:
    """As the filter says it, for an order that was ever paid."""
    provider, method = order.payment_provider or "", order.payment_method or ""
    if provider == DOOR:
        return f"{method.capitalize()} at the door".strip() if order.total_price else "Free at the door"
    if provider in BY_NAME:
        return f"Online ({provider})"
    by_name = {COMP: "Given away", "free": "Free ticket", "test": "Test"}
    return by_name.get(provider, "By hand" if provider in BY_HAND else provider or "-")


def order_url(order: Order) -> str:
    return reverse("admin:orders_order_change", args=[order.pk])


def ticket_url(order: Order) -> str:
    return reverse("admin:orders_order_ticket", args=[order.pk])
