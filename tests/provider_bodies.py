"""Bodies of payment notices as the providers document them, and Stripe's way to sign one."""

import hashlib
import hmac
import json
import secrets
import time
import uuid
from typing import Any

from orders.journal import minor_units
from orders.models import Order
from orders.services import deliveries
from orders.services.payments import Result


def receive(body: bytes, provider: str = "recurrente") -> Result:
    """Store and apply a delivery as its request does, without the way over the network."""
    delivery = deliveries.store_delivery(provider=provider, event_id=str(uuid.uuid4()), body=body, headers={})
    return deliveries.apply_delivery(delivery.pk)


def recurrente(order: Order, event: str = "payment_intent.succeeded", **changes: Any) -> bytes:
    """The flat shape of the API reference. One payment comes twice: from `payment_intent` and from `intent`."""
    family = event.partition(".")[0]
    is_paid = event.endswith((".succeeded", ".paid"))
    number = f"{order.pk.hex[:8]}"
    content = {
        "id": f"{'in' if family == 'intent' else 'pa'}_{number}",
        "event_type": event,
        "api_version": "2024-04-24",
        "checkout": {
            "id": f"ch_{number}",
            "status": "paid" if is_paid else "payment_in_progress",
            "payment": {"id": f"pa_x{number}", "paymentable": {"type": "OneTimePayment", "id": f"on_{number}"}},
            "payment_method": {"id": "pay_m_7v5ie3pw", "type": "card", "card": {"last4": "4242", "network": "visa"}},
            "transfer_setups": [],
            "metadata": {"order_id": order.order_number},
        },
        "created_at": "2026-11-23T03:01:13.000Z",
        "failure_reason": None,
        "amount_in_cents": minor_units(order.total_price),
        "currency": order.currency,
        "fee": 431,
        "customer": {"id": "us_t8nlvpwq", "email": order.buyer_email, "full_name": "Lucía Pérez"},
        "product": {"id": "prod_123"},
        "invoice": {"id": "inv_1", "tax_invoice_url": None},
    }
    return json.dumps({**content, **changes}).encode()


def recurrente_help_centre(order: Order, **changes: Any) -> bytes:
    """The same payment as the help centre shows it."""
    number = f"{order.pk.hex[:8]}"
    data = {
        "id": f"pa_{number}",
        "amount": minor_units(order.total_price),
        "currency": order.currency,
        "checkout_id": f"ch_{number}",
        "customer_email": order.buyer_email,
        "metadata": {"order_id": order.order_number},
    }
    return json.dumps({"event": "payment_intent.succeeded", "data": {**data, **changes}}).encode()


def recurrente_refund(order: Order, amount: int | None = None, **changes: Any) -> bytes:
    """The account's amount is smaller than the customer's by the fee."""
    number = f"{order.pk.hex[:8]}"
    amount = minor_units(order.total_price) if amount is None else amount
    content = {
        "event_type": "refund.create",
        "api_version": "2024-04-24",
        "live_mode": True,
        "intentable": {
            "id": f"pa_{number}",
            "type": "PaymentIntent",
            "amount_in_cents": minor_units(order.total_price),
            "payment": {"id": f"pa_x{number}"},
            "checkout": {"id": f"ch_{number}", "latest_intent": {"id": f"in_{number}"}},
        },
        "refund": {
            "id": f"re_{secrets.token_hex(4)}",
            "status": "succeeded",
            "customer_refunded_amount_in_cents": amount,
            "account_refunded_amount_in_cents": amount - 31,
            "currency": order.currency,
            "created_at": "2026-11-23T12:26:51.962-06:00",
        },
    }
    return json.dumps({**content, **changes}).encode()


def recurrente_dispute(order: Order, event: str = "dispute.create") -> bytes:
    number = f"{order.pk.hex[:8]}"
    content = {
        "id": f"dp_{number}",
        "event_type": event,
        "amount_in_cents": minor_units(order.total_price),
        "currency": order.currency,
        "checkout": {"id": f"ch_{number}", "metadata": {}},
    }
    return json.dumps(content).encode()


def stripe_event(event: str, thing: dict[str, Any], event_id: str = "") -> bytes:
    event_id = event_id or f"evt_{secrets.token_hex(8)}"
    content = {"id": event_id, "object": "event", "api_version": "2025-09-30", "type": event, "livemode": True}
    return json.dumps({**content, "data": {"object": thing}}).encode()


def stripe_session(order: Order, event: str = "completed", **changes: Any) -> bytes:
    number = f"{order.pk.hex[:8]}"
    session = {
        "id": f"cs_live_{number}",
        "object": "checkout.session",
        "amount_total": minor_units(order.total_price),
        "client_reference_id": None,
        "currency": order.currency.lower(),
        "customer_details": {"email": order.buyer_email, "name": "Lucía Pérez"},
        "customer_email": None,
        "metadata": {"order_id": order.order_number},
        "mode": "payment",
        "payment_intent": f"pi_{number}",
        "payment_status": "paid",
        "status": "complete",
    }
    return stripe_event(f"checkout.session.{event}", {**session, **changes})


def stripe_intent(order: Order, event: str = "succeeded", **changes: Any) -> bytes:
    """Without metadata: those of the session are not handed on unless asked for."""
    amount = minor_units(order.total_price)
    intent = {
        "id": f"pi_{order.pk.hex[:8]}",
        "object": "payment_intent",
        "amount": amount,
        "amount_received": amount if event == "succeeded" else 0,
        "currency": order.currency.lower(),
        "metadata": {},
        "receipt_email": None,
        "status": "succeeded" if event == "succeeded" else "requires_payment_method",
    }
    return stripe_event(f"payment_intent.{event}", {**intent, **changes})


def stripe_refund(order: Order, amount: int, *, event: str = "refund.created", **changes: Any) -> bytes:
    number = f"{order.pk.hex[:8]}"
    refund = {
        "id": f"re_{secrets.token_hex(4)}",
        "object": "refund",
        "amount": amount,
        "charge": f"ch_{number}",
        "currency": order.currency.lower(),
        "payment_intent": f"pi_{number}",
        "status": "succeeded",
    }
    return stripe_event(event, {**refund, **changes})


def stripe_charge_refunded(order: Order, total: int, **changes: Any) -> bytes:
    """Newer versions of the API tell only the total that was given back."""
    number = f"{order.pk.hex[:8]}"
    charge = {
        "id": f"ch_{number}",
        "object": "charge",
        "amount": minor_units(order.total_price),
        "amount_refunded": total,
        "currency": order.currency.lower(),
        "metadata": {},
        "payment_intent": f"pi_{number}",
        "refunded": total == minor_units(order.total_price),
    }
    return stripe_event("charge.refunded", {**charge, **changes})


def stripe_dispute(order: Order, event: str = "created", **changes: Any) -> bytes:
    number = f"{order.pk.hex[:8]}"
    dispute = {
        "id": f"dp_{number}",
        "object": "dispute",
        "amount": minor_units(order.total_price),
        "charge": f"ch_{number}",
        "currency": order.currency.lower(),
        "payment_intent": f"pi_{number}",
        "status": "needs_response",
    }
    return stripe_event(f"charge.dispute.{event}", {**dispute, **changes})


def stripe_signature(secret: str, body: bytes, *, at: float | None = None) -> str:
    moment = int(time.time() if at is None else at)
    signature = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={signature}"
