"""Forgetting guests: their orders keep their money, seats and moments, and no longer say who bought them.

The only place that lifts the rule that an order's content never changes. Each caller says why in the audit.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

import pgtrigger
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Lower
from django.utils import timezone

from homeproductions.traces import NOBODY, Traces, loosely, said_in
from orders.models import CheckIn, IdempotencyKey, Order, Payment, RefusedScan, WebhookDelivery
from orders.places import IS_WAITING
from orders.providers.bare import bare

from .box_office import COMP

GUEST = "Forgotten guest"
CONTENT_IMMUTABLE = "orders.Order:order_content_immutable"
# What a guest, or somebody of the house, typed without being asked for a name; it may be one all the same.
FREE_TEXTS = ("referral_source", "payment_method", "payment_reference")


@dataclass(frozen=True)
class Holdings:
    """What is stored about guests here: ids of their orders, of the money for them, and of the notices of both."""

    orders: frozenset[UUID] = frozenset()
    payments: frozenset[UUID] = frozenset()
    deliveries: frozenset[UUID] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.orders or self.payments or self.deliveries)


# --- What there is -----------------------------------------------------------------------------------------------


def holdings_of(email: str) -> Holdings:
    """Everything about the guest with this address. Reads every stored notice: one may name the guest and no order."""
    orders, payments = _bought_and_paid(email)
    return Holdings(orders, payments, _notices_of(orders, payments, email.lower()))


def have_changed(holdings: Holdings, email: str) -> bool:
    """Whether the guest with this address has other orders or money by now. Reads no notices."""
    return (holdings.orders, holdings.payments) != _bought_and_paid(email)


def _bought_and_paid(email: str) -> tuple[frozenset[UUID], frozenset[UUID]]:
    orders = _with_replaced(_ids(orders_of(email.lower())))
    return orders, _money_of(orders, Q(payer_email__iexact=email))


def holdings_of_orders(order_ids: Collection[UUID]) -> Holdings:
    """Everything about the guests of these orders that is tied to them; of notices those of that money, and those
    that were found to be about these orders (`strays`)."""
    orders = frozenset(order_ids)
    payments = _money_of(orders, Q())
    notices = WebhookDelivery.objects
    linked = _ids(notices.filter(payments__in=payments)) | _ids(notices.filter(order__in=orders))
    return Holdings(orders, payments, linked)


def orders_of(address: str) -> QuerySet[Order]:
    """Orders placed with the address, in small letters, or whose mail goes there."""
    known = Order.objects.alias(address=Lower("buyer_email"), corrected=Lower("corrected_email"))
    return known.filter(Q(address=address) | Q(corrected=address))


def traces_of(orders: Iterable[UUID], *emails: str) -> Traces:
    """How the guests of these orders are called, besides the addresses."""
    return reduce(or_, _called(orders).values(), Traces.of(emails=emails, names=[], phones=[]))


def traces_by_row(holdings: Holdings) -> dict[UUID, Traces]:
    """How the guest of each of these orders is called, by the id of the order, of the money for it, and of the notices
    of both. Each is looked for in rows of their own only: a guest may be called like a state or a key of ours."""
    called = dict.fromkeys(holdings.orders | holdings.payments | holdings.deliveries, NOBODY) | _called(holdings.orders)
    money = Payment.objects.filter(pk__in=holdings.payments)
    for payment, delivery, *orders in money.values_list("pk", "delivery", "order", "charge__order"):
        guests = reduce(or_, (called.get(order, NOBODY) for order in orders))
        for row in {payment, delivery} & called.keys():
            called[row] |= guests
    return called


def _called(orders: Iterable[UUID]) -> dict[UUID, Traces]:
    fields = ("pk", "buyer_name", "buyer_phone", "buyer_email", "corrected_email")
    known = Order.objects.filter(pk__in=list(orders), forgotten_at=None).values_list(*fields)
    return {pk: Traces.of(emails=emails, names=[name], phones=[phone]) for pk, name, phone, *emails in known}


def _with_replaced(orders: frozenset[UUID]) -> frozenset[UUID]:
    """With those made in place of them, and those they were made in place of: a copy does not copy the correction of
    an address."""
    while True:
        more = _ids(Order.objects.filter(Q(replaces__in=orders) | Q(successors__in=orders)).exclude(pk__in=orders))
        if not more:
            return orders
        orders |= more


def _money_of(orders: frozenset[UUID], others: Q) -> frozenset[UUID]:
    wanted = Q(order__in=orders) | others
    return _ids(Payment.objects.filter(wanted | Q(charge__order__in=orders)))


def _notices_of(orders: frozenset[UUID], payments: frozenset[UUID], address: str) -> frozenset[UUID]:
    named = [*Order.objects.filter(pk__in=orders).values_list("order_number", "checkout_reference")]
    texts = {address, *(text for row in named for text in row if text), *map(str, orders)}
    paid = Payment.objects.filter(pk__in=payments).values_list("reference", "checkout_reference")
    texts |= {text for row in paid for text in row if text}
    return _ids(WebhookDelivery.objects.filter(payments__in=payments)) | frozenset(naming(texts))


def naming(texts: Iterable[str]) -> list[UUID]:
    """Notices in whose bodies one of these texts stands by itself, in whatever spelling. Reads all of them."""
    texts = sorted(texts)
    patterns = [pattern for text in texts if (pattern := loosely(text))]
    if not patterns:
        return []
    exact = re.compile("|".join(rf"(?<![\w.+-]){re.escape(text)}(?![\w-]|\.\w)" for text in texts), re.IGNORECASE)
    candidates: QuerySet[Any] = WebhookDelivery.objects.extra(
        where=["encode(body, 'escape') ~* %s"], params=["|".join(patterns)]
    )
    rows = candidates.order_by().values_list("pk", "body").iterator(chunk_size=100)
    return [pk for pk, body in rows if exact.search(said_in(bytes(body)))]


# --- What stands against it --------------------------------------------------------------------------------------


def open_matters(holdings: Holdings, now: datetime) -> list[str]:
    """Why the guest still has to be reached, one sentence each; nothing: everything is over."""
    orders = Order.objects.filter(pk__in=holdings.orders).select_related("event").order_by("created_at")
    found = [sentence for order in orders if (sentence := why_open(order, now))]
    waiting = Payment.objects.filter(IS_WAITING, pk__in=holdings.payments).order_by("created_at")
    found += [f"Payment {each}: {each.get_needs_review_display()}; it waits at /admin/money/." for each in waiting]
    undone = WebhookDelivery.objects.filter(pk__in=holdings.deliveries, status__in=WebhookDelivery.WAITING)
    return [*found, *(f"The notice {each} is not applied yet." for each in undone)]


def why_open(order: Order, now: datetime) -> str:
    """Why the guest of this order still has to be reached; an empty text when it is over."""
    if order.status == Order.Status.PENDING:
        return f"Order {order} is not paid yet: its seats are held, and money for it may be on its way."
    if order.status != Order.Status.PAID:
        return ""
    if order.event.is_off:
        return f"Order {order} is still paid although its night is off: refund it, or settle it with the guest."
    if order.event.is_over_at > now:
        return f"Order {order} is a ticket for a night to come: {order.event}."
    return ""


# --- Forgetting --------------------------------------------------------------------------------------------------


def lock(holdings: Holdings) -> None:
    """In the order in which a payment notice locks them: the notice, its order, the money."""
    for model, ids in (
        (WebhookDelivery, holdings.deliveries),
        (Order, holdings.orders),
        (Payment, holdings.payments),
    ):
        rows: QuerySet[Any] = model._default_manager.select_for_update(no_key=True)
        list(rows.filter(pk__in=ids).order_by("pk").values_list("pk"))


def forget(holdings: Holdings, called: Mapping[UUID, Traces]) -> None:
    """Empty all of it of the guests, in the caller's transaction, which holds the locks. Each row is searched for
    whoever it is `called` by its id. Mails, audit and whatever other apps hold are the caller's."""
    _forget_orders(holdings.orders, called)
    _forget_door(holdings.orders)
    IdempotencyKey.objects.filter(order__in=holdings.orders).delete()
    Payment.objects.filter(pk__in=holdings.payments).update(payer_email="", outcome_note="")
    # With those that were found to be about these orders since somebody asked what there is.
    of_these = Q(pk__in=holdings.deliveries) | Q(order__in=holdings.orders)
    for delivery in WebhookDelivery.objects.filter(of_these):
        guests = (called[row] for row in (delivery.pk, delivery.order_id) if row and row in called)
        forget_notice(delivery, reduce(or_, guests, NOBODY))


def forget_notice(delivery: WebhookDelivery, traces: Traces) -> None:
    """Keep of a stored notice only what the money is about."""
    delivery.body, delivery.headers = bare(bytes(delivery.body), traces), {}
    delivery.forgotten_at = timezone.now()
    delivery.save(update_fields=["body", "headers", "forgotten_at"])


def _forget_orders(ids: frozenset[UUID], called: Mapping[UUID, Traces]) -> None:
    orders = Order.objects.filter(pk__in=ids)
    # Why tickets were given away may name people; a receipt of the till is about the money.
    reason = Case(When(payment_provider=COMP, then=Value(None)), default=F("payment_reference"))
    with pgtrigger.ignore(CONTENT_IMMUTABLE):
        orders.update(
            buyer_name=GUEST,
            buyer_email="",
            buyer_phone=None,
            corrected_email=None,
            buyer_country=None,
            buyer_nationality=None,
            ip_address=None,
            user_agent=None,
            # The provider's page greets the guest by name.
            checkout_url=None,
            qr_code_url=None,
            payment_reference=reason,
            forgotten_at=timezone.now(),
        )
        for order in orders.only("pk", "payment_confirmed_by", *FREE_TEXTS):
            named = [name for name in FREE_TEXTS if called[order.pk].are_in(getattr(order, name))]
            if "payment_reference" in named and not _is_typed_reference(order):
                named.remove("payment_reference")
            if named:
                Order.objects.filter(pk=order.pk).update(**dict.fromkeys(named))


def _is_typed_reference(order: Order) -> bool:
    """Whether somebody of the house wrote it; an order number or a provider's id names nobody, though a telephone may
    stand in it by chance."""
    is_confirmed_by_hand = order.payment_confirmed_by_id is not None
    return is_confirmed_by_hand and not order.payments.filter(reference=order.payment_reference).exists()


def _forget_door(orders: frozenset[UUID]) -> None:
    """That they were inside and when stays, and at whose hand; not through which door, on which phone, and what was
    noted about them."""
    CheckIn.objects.filter(order__in=orders).update(device_info=None, location_info=None, notes=None, nonce=None)
    RefusedScan.objects.filter(order__in=orders).update(device_info=None, nonce=None)


def _ids(rows: QuerySet[Any]) -> frozenset[UUID]:
    return frozenset(rows.values_list("pk", flat=True))
