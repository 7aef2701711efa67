"""Which order, and which stored charge, a provider's notice is about. Never anything looser than this: the order's
number or id, the checkout that was opened for it, or the single pending order that fits in every respect."""

from uuid import UUID

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Lower

from events.queries import as_uuid
from orders.journal import major_units
from orders.models import Order, Payment
from orders.providers import Notice, Unreadable
from orders.providers.registry import BY_NAME

CHARGE = Payment.Kind.CHARGE


class Moved(Exception):
    """Somebody assigned the charge while we waited for its lock; trying again finds it in its new place."""


def lock_order(notice: Notice, provider: str) -> Order | None:
    """The order this charge pays, locked; None when that is not certain."""
    order_id = _named(notice, provider) if _is_named(notice) else _opened(notice, provider)
    if order_id is not None:
        return _locked(Q(pk=order_id))
    return None if _is_named(notice) else _lock_only_fitting(notice)


def lock_charge_of(notice: Notice, provider: str) -> tuple[Order | None, Payment | None]:
    """The charge that a refund or dispute takes back, and its order, or the order it names while the charge is not
    here; each locked, the order first. Raises Moved."""
    charge = charges_of(notice, provider).first()
    if charge is None:
        return lock_named(notice, provider), None
    order = _locked(Q(pk=charge.order_id)) if charge.order_id else None
    return order, lock_payment(charge, expect_order=charge.order_id)


def lock_named(notice: Notice, provider: str) -> Order | None:
    """The order a refund or dispute names by itself, locked."""
    order_id = _named(notice, provider) if _is_named(notice) else _opened(notice, provider)
    return _locked(Q(pk=order_id)) if order_id is not None else None


def lock_payment(payment: Payment, *, expect_order: UUID | None) -> Payment:
    """The payment locked, after its order. Raises Moved when it belongs to another order by now: that one is not
    locked, and locking it now would be the wrong way round."""
    locked = Payment.objects.select_for_update(of=("self",), no_key=True).get(pk=payment.pk)
    if locked.order_id != expect_order:
        raise Moved
    return locked


def known_charge(notice: Notice, provider: str) -> Payment | None:
    """The charge stored for this payment before, unlocked: by its checkout, else by its own id."""
    charges = Payment.objects.filter(provider=provider, kind=CHARGE)
    if notice.checkout_reference:
        by_checkout = charges.filter(checkout_reference=notice.checkout_reference).first()
        if by_checkout is not None:
            return by_checkout
    names = [name for name in (notice.reference, *notice.charge_references) if name]
    by_name = charges.filter(reference__in=names).order_by("created_at").first() if names else None
    return by_name or _told_under_another_name(notice, charges)


def _told_under_another_name(notice: Notice, charges: QuerySet[Payment]) -> Payment | None:
    """The charge of the order it names whose own notice said that it has this name as well."""
    order_id = named_order(notice) if notice.reference else None
    if order_id is None:
        return None
    of_order = charges.filter(order_id=order_id).exclude(delivery=None).select_related("delivery")
    return next((charge for charge in of_order if notice.reference in _names_in_delivery(charge)), None)


def _names_in_delivery(payment: Payment) -> set[str]:
    """Every id that the stored notice of a payment gives it, or the charge that it takes back."""
    if payment.delivery is None:
        return set()
    try:
        said = BY_NAME[payment.provider].notices(bytes(payment.delivery.body))
    except Unreadable:
        return set()
    return {name for notice in said for name in (notice.reference, *notice.charge_references)}


def charges_of(notice: Notice, provider: str) -> QuerySet[Payment]:
    """The charges that a refund or dispute may mean."""
    names = Q(reference__in=notice.charge_references)
    if notice.checkout_reference:
        names |= Q(checkout_reference=notice.checkout_reference)
    return Payment.objects.filter(names, provider=provider, kind=CHARGE).order_by("created_at")


def early_refunds(charge: Payment) -> QuerySet[Payment]:
    """Refunds and disputes of this charge that were delivered before it; they remember one name of it, and their
    notices may hold more. There are few at any time."""
    names = {name for name in (charge.checkout_reference, charge.reference) if name}
    early = Payment.objects.filter(provider=charge.provider, charge=None, outcome=Payment.Outcome.NONE)
    early = early.exclude(kind=CHARGE).select_related("delivery")
    met = [row.pk for row in early if row.checkout_reference in names or names & _names_in_delivery(row)]
    return Payment.objects.filter(pk__in=met)


def named_order(notice: Notice) -> UUID | None:
    """The id of the order that the notice names, by number or id."""
    reference = notice.order_reference
    if not reference:
        return None
    order_id = as_uuid(reference.lower())
    named = Q(order_number=reference.upper()) | (Q(pk=order_id) if order_id else Q())
    return Order.objects.filter(named).values_list("pk", flat=True).first()


def _is_named(notice: Notice) -> bool:
    return bool(notice.order_reference)


def _named(notice: Notice, provider: str) -> UUID | None:
    """The order it names. A checkout that was opened for another order contradicts the name."""
    found = named_order(notice)
    opened = _opened(notice, provider)
    return None if opened is not None and opened != found else found


def _opened(notice: Notice, provider: str) -> UUID | None:
    """The order that this checkout was opened for."""
    if not notice.checkout_reference:
        return None
    orders = Order.objects.filter(checkout_provider=provider, checkout_reference=notice.checkout_reference)
    return orders.values_list("pk", flat=True).first()


def _lock_only_fitting(notice: Notice) -> Order | None:
    """The single pending order with the payer's address, the amount and the currency, still so under its lock."""
    if not notice.payer_email or notice.amount_minor is None or not notice.currency:
        return None
    fitting = Q(
        status=Order.Status.PENDING,
        is_test=False,
        total_price=major_units(notice.amount_minor),
        currency=notice.currency,
        address=Lower(Value(notice.payer_email)),
    )
    orders = Order.objects.alias(address=Lower("buyer_email"))
    found = list(orders.filter(fitting).values_list("pk", flat=True)[:2])
    return _locked(Q(pk=found[0], status=Order.Status.PENDING)) if len(found) == 1 else None


def _locked(condition: Q) -> Order | None:
    orders = Order.objects.select_for_update(of=("self",), no_key=True).select_related("event", "tier")
    return orders.filter(condition).first()
