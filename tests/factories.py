"""Small things to test with. Orders are inserted pending and then moved, as the triggers demand."""

import itertools
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from accounts.models import User
from accounts.tokens import AccessToken
from events.models import Event, TicketTier
from orders import codes, journal
from orders.models import Order
from orders.services.checkout import new_order_number

counter = itertools.count(1)
PATHS = {
    "pending": [],
    "paid": ["paid"],
    "cancelled": ["cancelled"],
    "refunded": ["paid", "refunded"],
}


def make_user(role: str = "staff", **fields: Any) -> User:
    """Without a password: hashing one takes a quarter of a second."""
    user = User(email=f"user{next(counter)}@example.com", name="Ana Staff", role=role, **fields)
    if not user.password:
        user.set_unusable_password()
    user.save()
    return user


def bearer(user: User | None = None) -> dict[str, str]:
    return {"Authorization": f"Bearer {AccessToken.of(user or make_user())}"}


def make_event(**fields: Any) -> Event:
    number = next(counter)
    defaults = {
        "name": f"Night {number}",
        "location": "Guatemala City",
        "event_date": timezone.localdate() + timedelta(days=30),
        "status": Event.Status.ACTIVE,
    }
    return Event.objects.create(**{**defaults, **fields})


def make_tier(event: Event | None = None, **fields: Any) -> TicketTier:
    defaults = {"name": "General", "price": Decimal("25.50"), "quantity": 100}
    return TicketTier.objects.create(**{"event": event or make_event(), **defaults, **fields})


def make_order(tier: TicketTier | None = None, status: str = "pending", **fields: Any) -> Order:
    """An order that holds seats of its tier while it is pending or paid, unless it is a test order."""
    tier = tier or make_tier()
    order_id = uuid.uuid4()
    quantity = fields.pop("quantity", 1)
    defaults: dict[str, Any] = {
        "order_number": new_order_number(timezone.now()),
        "buyer_name": "Lucía Pérez",
        "buyer_email": "lucia@example.com",
        "unit_price": tier.price,
        "total_price": tier.price * quantity,
        "currency": tier.currency,
        "qr_code_hash": codes.hash_code(codes.code_for(order_id, 1)),
    }
    order = Order.objects.create(
        id=order_id, event_id=tier.event_id, tier=tier, quantity=quantity, **{**defaults, **fields}
    )
    journal.reserved(order)
    for step in PATHS[status]:
        order.status = step
        order.save(update_fields=["status"])
    if "paid" in PATHS[status]:
        journal.sold(order)
    if status == "refunded":
        journal.refunded(order, order.total_price, order.currency)
    if status in ("cancelled", "refunded"):
        journal.released(order)
    elif not order.is_test:
        TicketTier.objects.filter(pk=tier.pk).update(sold=TicketTier.objects.get(pk=tier.pk).sold + quantity)
    return order
