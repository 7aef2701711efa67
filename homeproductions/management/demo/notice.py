"""What a payment provider would send about an order, signed or not."""

import json
import secrets
from datetime import datetime

from standardwebhooks import Webhook

from orders.journal import minor_units
from orders.models import Order


def new_event_id() -> str:
    return f"msg_{secrets.token_hex(12)}"


def paid(order: Order) -> bytes:
    """The body that says the whole order was paid just now, under a payment reference of its own."""
    content = {
        "event": "checkout.completed",
        "data": {
            "id": f"pay_{secrets.token_hex(12)}",
            "metadata": {"order_id": order.order_number},
            "amount_in_cents": minor_units(order.total_price),
            "currency": order.currency,
            "customer_email": order.buyer_email,
        },
    }
    return json.dumps(content).encode()


def signed_headers(secret: str, event_id: str, body: bytes, *, at: datetime) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(event_id, at, body.decode()),
    }
