"""Which order, and which stored charge, a provider's notice is about. Never anything looser than this: the order's
number or id, the checkout that was opened for it, or the single pending order that fits in every respect."""

from uuid import UUID

from django.db.models import Q, QuerySet, Value, prefetch_related_objects
from django.db.models.functions import Lower

from events.queries import as_uuid
from homeproductions.reading import fetch_all, fetch_with
from orders.journal import major_units
from orders.models import Order, Payment
from orders.providers import Notice
from orders.providers.registry import notices_in

CHARGE = Payment.Kind.CHARGE


class Moved(Exception):
    """Somebody assigned the charge while we waited for its lock; trying again finds it in its new place."""


def lock_order(notice: Notice, provider: str) -> Order | None:
    """The order this charge pays, locked; None when that is not certain."""
    order = lock_named(notice, provider)
    return order if order is not None or _is_named(notice) else _lock_only_fitting(notice)


def lock_charge_of(notice: Notice, provider: str) -> tuple[Order | None, Payment | None]:
    """The charge that a refund or dispute takes back, and its order, or the order it names while the charge is not
    here; each locked, the order first. Raises Moved."""
    charge = charges_of(notice, provider).first()
    if charge is None:
        return lock_named(notice, provider), None
    order = _lock("id", charge.order_id) if charge.order_id else None
    return order, lock_payment(charge, expect_order=charge.order_id)


def lock_named(notice: Notice, provider: str) -> Order | None:
    """The order that a notice names by itself, locked."""
    if _is_named(notice) and not notice.checkout_reference:
        return _lock(*name_in(notice))  # at once, for nothing can contradict it
    order_id = _named(notice, provider) if _is_named(notice) else _opened(notice, provider)
    return _lock("id", order_id) if order_id is not None else None


def lock_payment(payment: Payment, *, expect_order: UUID | None) -> Payment:
    """The payment locked, after its order. Raises Moved when it belongs to another order by now: that one is not
    locked, and locking it now would be the wrong way round."""
    locked = Payment.objects.select_for_update(of=("self",), no_key=True).get(pk=payment.pk)
    if locked.order_id != expect_order:
        raise Moved
    return locked


def known_charge(notice: Notice, provider: str, order: Order | None) -> Payment | None:
    """The charge stored for this payment before, unlocked: by its checkout, else by its own id. `order` is what
    `lock_order` found."""
    checkout, names = notice.checkout_reference or None, [notice.reference, *notice.charge_references]
    order_id = _named_id(notice, order) if notice.reference else None
    charges = fetch_all(Payment, CHARGES, provider, checkout, [name for name in names if name], order_id)
    by_checkout = (charge for charge in charges if checkout and charge.checkout_reference == checkout)
    by_name = (charge for charge in charges if charge.reference in names)
    return next(by_checkout, None) or next(by_name, None) or _told_under_another_name(notice, order_id, charges)


CHARGES = """
    provider = %s AND kind = 'charge' AND (checkout_reference = %s OR reference = ANY(%s) OR order_id = %s)
    ORDER BY created_at"""


def _told_under_another_name(notice: Notice, order_id: UUID | None, charges: list[Payment]) -> Payment | None:
    """The charge of the order it names whose own notice said that it has this name as well."""
    of_order = [charge for charge in reversed(charges) if order_id and charge.order_id == order_id]
    prefetch_related_objects(of_order, "delivery")
    return next((charge for charge in of_order if notice.reference in _names_in_delivery(charge)), None)


def _names_in_delivery(payment: Payment) -> set[str]:
    """Every id that the stored notice of a payment gives it, or the charge that it takes back."""
    if payment.delivery is None:
        return set()
    said = notices_in(payment.provider, payment.delivery.body)
    return {name for notice in said for name in (notice.reference, *notice.charge_references)}


def charges_of(notice: Notice, provider: str) -> QuerySet[Payment]:
    """The charges that a refund or dispute may mean."""
    names = Q(reference__in=notice.charge_references)
    if notice.checkout_reference:
        names |= Q(checkout_reference=notice.checkout_reference)
    return Payment.objects.filter(names, provider=provider, kind=CHARGE).order_by("created_at")


def early_refunds(charge: Payment) -> list[UUID]:
    """The ids of refunds and disputes of this charge that were delivered before it; they remember one name of it, and
    their notices may hold more. There are few at any time."""
    names = {name for name in (charge.checkout_reference, charge.reference) if name}
    early = fetch_all(Payment, TOLD_EARLY, charge.provider)
    prefetch_related_objects(early, "delivery")
    return [row.pk for row in early if row.checkout_reference in names or names & _names_in_delivery(row)]


# As the index `payment_told_early` says it.
TOLD_EARLY = "provider = %s AND charge_id IS NULL AND outcome = '' AND kind <> 'charge'"


def named_order(notice: Notice) -> UUID | None:
    """The id of the order that the notice names, by number or id."""
    if not _is_named(notice):
        return None
    column, name = name_in(notice)
    return Order.objects.filter(**{column: name}).values_list("pk", flat=True).first()


def name_in(notice: Notice) -> tuple[str, UUID | str]:
    """The column and the value by which it names its order."""
    order_id = as_uuid(notice.order_reference.lower())
    return ("id", order_id) if order_id else ("order_number", notice.order_reference.upper())


def _named_id(notice: Notice, order: Order | None) -> UUID | None:
    return order.pk if order is not None and _is_named(notice) else named_order(notice)


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
    order = _lock("id", found[0]) if len(found) == 1 else None
    return order if order is not None and order.status == Order.Status.PENDING else None


def _lock(column: str, value: UUID | str) -> Order | None:
    return fetch_with(Order, ("event",), f"orders.{column} = %s FOR NO KEY UPDATE OF orders", value)
