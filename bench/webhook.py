"""Payment notices: each signed, each for another order that waits for its money."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

from .ceilings import pgbench
from .house import House, Sides
from .load import Measurement, Request, Requests, warmed_up
from .orders import IN_FLIGHT

PATH = "/api/webhook/payment"


@contextmanager
def paying(house: House) -> Iterator[Sides]:
    def real() -> Measurement:
        with house.books.watching("POST /api/webhook/payment") as watch:
            sent = Requests(house.folder, notices(house), is_once=True)
            return watch.expect("paid", warmed_up(house.server, sent, house.seconds), in_flight=IN_FLIGHT)

    def ceiling() -> Measurement:
        with house.books.watching("pgbench, webhook") as watch:
            first = house.season.unpaid.start
            done = pgbench(house.season.url, "webhook.sql", house.seconds, first=first, turn=0)
            return watch.expect("paid", done, in_flight=0)

    yield Sides(real, ceiling)


def notices(house: House) -> list[Request]:
    """Signed now: a signature is good for five minutes."""
    unpaid = house.season.rows(
        "SELECT order_number, total_price, currency, buyer_email FROM orders WHERE status = 'pending'"
    )
    signer = Webhook(house.season.environment["PAYMENT_WEBHOOK_SECRETS"])
    return [notice(order, signer) for order in unpaid]


def notice(order: dict[str, Any], signer: Webhook) -> Request:
    data = {
        "id": f"pay_{order['order_number']}",
        "metadata": {"order_id": order["order_number"]},
        "amount_in_cents": int(order["total_price"] * 100),
        "currency": order["currency"],
        "customer_email": order["buyer_email"],
    }
    body = json.dumps({"event": "checkout.completed", "data": data})
    event, now = f"msg_{order['order_number']}", datetime.now(UTC)
    signed = {"webhook-id": event, "webhook-timestamp": str(int(now.timestamp()))}
    signed["webhook-signature"] = signer.sign(event, now, body)
    return Request("POST", PATH, body.encode(), tuple(signed.items()))
