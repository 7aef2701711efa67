"""Stripe: https://docs.stripe.com/api/checkout/sessions. No SDK: two calls."""

from datetime import timedelta
from urllib.parse import quote

from django.conf import settings
from django.utils import timezone

from orders.providers.reading import id_of

from . import Checkout, Standing, Wish, call, checkout_in, try_key

NAME = "stripe"
# A session may live from 30 minutes to 24 hours; a minute of slack for the way there and for clocks.
SHORTEST = timedelta(minutes=31)
LONGEST = timedelta(hours=24) - timedelta(minutes=1)


def is_configured() -> bool:
    return bool(settings.STRIPE_SECRET_KEY)


def create(wish: Wish) -> Checkout:
    content = {
        "mode": "payment",
        "client_reference_id": wish.order_number,
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": wish.currency.lower(),
        "line_items[0][price_data][unit_amount]": str(wish.amount_minor),
        "line_items[0][price_data][product_data][name]": wish.title,
        "success_url": wish.paid_back,
        "cancel_url": wish.back,
        **{f"metadata[{name}]": value for name, value in wish.metadata.items()},
        # Notices about refunds and disputes show the metadata of the payment, not that of the session.
        **{f"payment_intent_data[metadata][{name}]": value for name, value in wish.metadata.items()},
    }
    if wish.expires_at:
        content["expires_at"] = str(_end(wish))
    if wish.email.isascii():  # it refuses the whole session for an address that it cannot read
        content["customer_email"] = wish.email
    headers = {**_key(), "Idempotency-Key": try_key(content)}
    answer = call("POST", f"{settings.STRIPE_API_URL}/v1/checkout/sessions", headers=headers, data=content)
    return checkout_in(answer, url_key="url")


def state_of(reference: str) -> Standing:
    url = f"{settings.STRIPE_API_URL}/v1/checkout/sessions/{quote(reference, safe='')}"
    answer = call("GET", url, headers=_key())
    if answer.get("payment_status") in ("paid", "no_payment_required"):
        return Standing("paid", payment=id_of(answer.get("payment_intent")))
    match answer.get("status"):
        case "complete":  # and unpaid: a slow payment method
            return Standing("under way")
        case "open":
            return Standing("open")
        case "expired":
            return Standing("gone")
    return Standing("unknown")


def _end(wish: Wish) -> int:
    """When the session ends, in seconds since 1970: with the hold, as far as Stripe lets us choose."""
    now = timezone.now()
    assert wish.expires_at is not None
    return int(min(max(wish.expires_at, now + SHORTEST), now + LONGEST).timestamp())


def _key() -> dict[str, str]:
    return {"Authorization": f"Bearer {settings.STRIPE_SECRET_KEY}"}
