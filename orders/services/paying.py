"""Starting a payment: a payment page of its own for a pending order, opened at the provider.

Everything here but `can_be_paid` may go over the network: call it after the commit, outside any transaction.
"""

import time
from types import ModuleType

import structlog
from django.utils import timezone

from events.models import Event
from orders import links
from orders.checkouts import Checkout, CheckoutFailed, Standing, Wish, recurrente, stripe
from orders.journal import minor_units
from orders.models import Order
from orders.places import waiting_charges

log = structlog.get_logger(__name__)

# The first one with keys opens the payment pages; the others still answer for the pages that they opened.
PROVIDERS: tuple[ModuleType, ...] = (recurrente, stripe)
OFF = (Event.Status.CANCELLED, Event.Status.DELETED)
TITLE_MAX_LENGTH = 200

# After a failure that would hit every order, this process asks nobody for so many seconds: a provider that hangs must
# not keep each of our few threads waiting, and orders are placed without it.
REST = 30
_rests_until: dict[str, float] = {}


def is_configured() -> bool:
    """Whether there is a provider that can open a payment page."""
    return _provider() is not None


def can_be_paid(order: Order) -> bool:
    """Whether money for this order would still get what it is for."""
    is_in_time = order.hold_expires_at is None or order.hold_expires_at > timezone.now()
    is_due = order.status == Order.Status.PENDING and order.total_price > 0 and not order.is_test
    return is_due and is_in_time and order.event.status not in OFF


def start(order: Order) -> bool:
    """Give the order a payment page of its own unless it has one that still works. False: it has none now, because
    no provider is set up, the order cannot be paid, money for it waits for a person, or the provider failed (logged).
    Never raises for that.

    Two at once may open two pages; one is kept and nobody ever sees the other.
    """
    provider = _provider()
    if provider is None or not can_be_paid(order) or waiting_charges().filter(order=order).exists():
        return False
    if order.checkout_url and ask_provider(order).state != "gone":
        return True
    if time.monotonic() < _rests_until.get(provider.NAME, 0):
        return False
    try:
        checkout = provider.create(wish_of(order))
    except CheckoutFailed as error:
        _note_failure(order, provider, error)
        return False
    return _keep(order, provider, checkout)


def ask_provider(order: Order) -> Standing:
    """What became of the order's payment page; `gone` if there never was one, `unknown` if the provider did not say
    (ask again later). Never raises for a provider that fails."""
    if not order.checkout_reference:
        return Standing("gone")
    provider = next((each for each in PROVIDERS if order.checkout_provider == each.NAME), None)
    if provider is None or not provider.is_configured():
        return Standing("unknown")
    try:
        standing: Standing = provider.state_of(order.checkout_reference)
    except CheckoutFailed as error:
        if error.status == 404:
            return Standing("gone")
        _log_failure(order, provider, error)
        return Standing("unknown")
    return standing


def wish_of(order: Order) -> Wish:
    """What the provider is told: nothing about the guest but the address that the receipt goes to."""
    title = f"{order.quantity} x {order.tier.name}, {order.event.name}"
    back = links.order_url(order)
    return Wish(
        order_number=order.order_number,
        title=title[:TITLE_MAX_LENGTH],
        amount_minor=minor_units(order.total_price),
        currency=order.currency,
        email=order.buyer_email,
        back=back,
        paid_back=f"{back}?paid=1",
        expires_at=order.hold_expires_at,
    )


def _provider() -> ModuleType | None:
    return next((each for each in PROVIDERS if each.is_configured()), None)


def _keep(order: Order, provider: ModuleType, checkout: Checkout) -> bool:
    """Store the page unless the order has got another one meanwhile, or was paid or closed. One statement: the first
    one wins, and everybody goes on with what is stored."""
    unchanged = Order.objects.filter(
        pk=order.pk, status=Order.Status.PENDING, checkout_reference=order.checkout_reference
    )
    unchanged.update(checkout_provider=provider.NAME, checkout_reference=checkout.reference, checkout_url=checkout.url)
    order.refresh_from_db(fields=["status", "checkout_provider", "checkout_reference", "checkout_url"])
    return order.status == Order.Status.PENDING and bool(order.checkout_url)


def _note_failure(order: Order, provider: ModuleType, error: CheckoutFailed) -> None:
    if error.is_everybodys:
        _rests_until[provider.NAME] = time.monotonic() + REST
    _log_failure(order, provider, error)


def _log_failure(order: Order, provider: ModuleType, error: CheckoutFailed) -> None:
    log.error(
        "payment provider failed",
        provider=provider.NAME,
        order=order.order_number,
        status=error.status,
        reason=str(error),
    )
