"""Signs webhook bodies the way a provider does."""

import base64
import json
import secrets
from datetime import datetime
from typing import Any

from django.utils import timezone
from standardwebhooks import Webhook

from orders.models import Order

PATH = "/api/webhook/payment"


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def signed_headers(
    secret: str, body: bytes, *, event_id: str = "", at: datetime | None = None, prefix: str = "webhook"
) -> dict[str, str]:
    event_id = event_id or f"msg_{secrets.token_hex(8)}"
    at = at or timezone.now()
    return {
        f"{prefix}-id": event_id,
        f"{prefix}-timestamp": str(int(at.timestamp())),
        f"{prefix}-signature": Webhook(secret).sign(event_id, at, body.decode()),
    }


def paid_body(order: Order, **changes: Any) -> bytes:
    data = {
        "id": f"pay_{secrets.token_hex(8)}",
        "metadata": {"order_id": order.order_number},
        "amount_in_cents": int(order.total_price * 100),
        "currency": order.currency,
        "customer_email": order.buyer_email,
    }
    return json.dumps({"event": "checkout.completed", "data": {**data, **changes}}).encode()
