"""What a person does with a payment that waits for one. Each is one transaction, audited, and happens once."""

import uuid
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit.services import record
from events.services.seats import reserve_paid
from homeproductions.errors import MissingFields
from orders import codes, journal, places
from orders.errors import AlreadyReviewed, AmountDiffers, OrderNotPending, PaymentNotFound, WrongKind
from orders.models import Order, Payment
from orders.models.orders import FROZEN_FIELDS

from . import matching, payments, refunds, status
from .checkout import new_order_number
from .settlement import mark_paid

Kind, Outcome, Review = Payment.Kind, Payment.Outcome, Payment.Review
BY_HAND = ("admin", "admin_legacy", "door")
CHARGED_FOR_NOTHING = (Review.LATE, Review.AMOUNT)
# What a new order has of its own; everything else the guest bought and said is the old one's.
NOT_COPIED = {"id", "order_number", "created_at", "replaces"}


@transaction.atomic
def assign(
    payment_id: UUID, order_id: UUID, *, actor: User, accept_difference: bool = False, note: str = ""
) -> Payment:
    """Let a waiting charge pay a pending order, or be the money of one that was marked paid by hand.

    Raises PaymentNotFound, OrderNotFound, AlreadyReviewed, WrongKind, OrderNotPending, or AmountDiffers unless the
    difference is accepted.
    """
    order = status.lock(order_id)
    payment = _lock_charge(payment_id)
    is_linked = _is_paid_by_hand(order)
    if order.event.status in payments.NIGHTS_OFF and not is_linked:
        raise OrderNotPending("Its night is off, so no ticket is sold for it. Give the money back.")
    if not is_linked and order.status != Order.Status.PENDING:
        raise OrderNotPending(_why_not_pending(order))
    _refuse_difference(order, payment, accept_difference)
    payment.order = order
    _finish(payment, Outcome.ASSIGNED, note, actor)
    if is_linked:
        journal.received(order, payment)
    else:
        mark_paid(order, provider=payment.provider, reference=payment.reference, actor=actor, payment=payment)
    refunds.follow_up(payment, order)
    return payment


@transaction.atomic
def accept_late(
    payment_id: UUID, *, actor: User, order_id: UUID | None = None, accept_difference: bool = False
) -> Order:
    """Sell what a cancelled or refunded order held once more, for the money that came too late: a new order with the
    same content, paid, its ticket mailed. The old order stays as it is.

    `order_id` names the old order when the payment does not know it, or knows another.

    Raises PaymentNotFound, AlreadyReviewed, WrongKind, AmountDiffers, or why there is no seat any more (SoldOut,
    EventNotActive, SaleEnded).
    """
    old = status.lock(order_id) if order_id else _lock_order_of(payment_id)
    payment = _lock_charge(payment_id)
    # What the order is now counts, not why the payment once began to wait.
    if old is None or (order_id is None and payment.order_id != old.pk):
        raise WrongKind("This payment knows no order; say which one it was for.")
    if old.status not in (Order.Status.CANCELLED, Order.Status.REFUNDED):
        raise WrongKind(f"Order {old.order_number} is {old.status}; assign the payment to it instead.")
    living = old.successors.filter(status=Order.Status.PAID).first()
    if living is not None:
        raise OrderNotPending(f"Order {living.order_number} took its place and is paid. Give this payment back.")
    _refuse_difference(old, payment, accept_difference)
    if not old.is_test:
        reserve_paid(old.tier_id, old.quantity, now=timezone.now())
    order = _again(old)
    journal.reserved(order)
    payment.order = order
    _finish(payment, Outcome.ACCEPTED, f"New order in place of {old.order_number}.", actor)
    mark_paid(order, provider=payment.provider, reference=payment.reference, actor=actor, payment=payment)
    refunds.follow_up(payment, order)
    return order


@transaction.atomic
def mark_refunded(payment_id: UUID, *, actor: User, note: str = "") -> Payment:
    """Note that a waiting charge was given back at the provider, a dispute was lost, a refund that failed or was still
    due was made, or that a refund which was told is known. The order that a disputed or refunded charge paid follows,
    as with any refund; one that does not say how much counts as all that was left.

    Raises PaymentNotFound, AlreadyReviewed or WrongKind.
    """
    order = _lock_order_of(payment_id)
    payment = _lock_waiting(payment_id)
    if payment.kind == Kind.REFUND and payment.charge is None:
        raise WrongKind("When the payment that it gives back arrives, both are settled without you.")
    charge = _lock_settled(payment.charge, order) if payment.charge is not None else None
    if charge is not None:
        refunds.take_rest(payment, charge)
    _finish(payment, Outcome.REFUNDED, note, actor)
    if charge is not None:
        refunds.settle(payment, charge, order)
    return payment


@transaction.atomic
def ignore(payment_id: UUID, *, actor: User, note: str) -> Payment:
    """Take a payment off the list, for the reason in the note.

    Raises PaymentNotFound, AlreadyReviewed, MissingFields, or WrongKind for what would leave a guest with neither
    ticket nor money: a charge for an order that is closed or not paid, and a refund that is owed.
    """
    if not note.strip():
        raise MissingFields("note: say why nothing has to be done.")
    order = _lock_order_of(payment_id)
    payment = _lock_waiting(payment_id)
    reason = why_not_ignored(payment, order)
    if reason:
        raise WrongKind(reason)
    _finish(payment, Outcome.IGNORED, note, actor)
    return payment


def why_not_ignored(payment: Payment, order: Order | None) -> str:
    """What would leave a guest with neither ticket nor money, in words; an empty text when nothing has to be done."""
    is_charge = payment.kind == Kind.CHARGE and not payment.is_no_money
    if is_charge and payment.needs_review in CHARGED_FOR_NOTHING:
        return "Its guest has paid for an order of ours. Accept it, assign it, or give it back."
    if payment.needs_review in places.OWED and _is_owed(payment, order):
        return "Its guest has neither ticket nor money. Give it back, then mark it so."
    return ""


# --- Locks: the order first, then the payment, then the tier ---------------------------------------------------


def _lock_order_of(payment_id: UUID) -> Order | None:
    payment = Payment.objects.filter(pk=payment_id).first()
    return status.lock(payment.order_id) if payment is not None and payment.order_id else None


def _lock_charge(payment_id: UUID) -> Payment:
    payment = _lock_waiting(payment_id)
    if payment.kind != Kind.CHARGE:
        raise WrongKind("Only money that was taken can pay an order.")
    if payment.is_no_money:
        raise WrongKind(f"The notice says {payment.amount_text}: that is no money that came, and pays no order.")
    return payment


def _lock_waiting(payment_id: UUID) -> Payment:
    payment = Payment.objects.select_for_update(of=("self",), no_key=True).filter(pk=payment_id).first()
    if payment is None:
        raise PaymentNotFound
    if not payment.is_waiting:
        raise AlreadyReviewed
    return payment


def _lock_settled(charge: Payment, order: Order | None) -> Payment:
    try:
        return matching.lock_payment(charge, expect_order=order.pk if order else None)
    except matching.Moved as moved:
        raise AlreadyReviewed("Its payment was given to another order meanwhile. Look again.") from moved


# --- Rules ---------------------------------------------------------------------------------------------------


def _is_paid_by_hand(order: Order) -> bool:
    """Somebody marked it paid before the notice came, and no other payment has been taken for its money."""
    is_by_hand = order.status == Order.Status.PAID and order.payment_provider in BY_HAND
    return is_by_hand and not places.settled_charges().filter(order=order).exists()


def _is_owed(refund: Payment, order: Order | None) -> bool:
    """Whether what this refund was to give back is no longer paid for anything."""
    is_closed = order is not None and order.status == Order.Status.REFUNDED
    return is_closed or (refund.charge is not None and refund.charge.outcome == Outcome.REFUNDED)


def _why_not_pending(order: Order) -> str:
    if order.status == Order.Status.PAID:
        return "This order is paid already, with other money. Give this payment back."
    return f"This order is {order.status}. Accept the payment late instead, as a new order."


def _refuse_difference(order: Order, payment: Payment, is_accepted: bool) -> None:
    if is_accepted or payments.is_exact(order, payment):
        return
    price = f"{order.total_price} {order.currency}"
    if payment.amount_minor is None:
        raise AmountDiffers(f"The notice says no amount. Accept that only if the {price} came in full.")
    raise AmountDiffers(f"The payment is {payment.amount_text}, the order costs {price}.")


def _again(old: Order) -> Order:
    order_id = uuid.uuid4()
    content: dict[str, Any] = {name: getattr(old, name) for name in FROZEN_FIELDS if name not in NOT_COPIED}
    return Order.objects.create(
        id=order_id,
        replaces=old,
        order_number=new_order_number(timezone.now()),
        qr_code_hash=codes.hash_code(codes.code_for(order_id, 1)),
        payment_method=old.payment_method,
        **content,
    )


def _finish(payment: Payment, outcome: str, note: str, actor: User) -> None:
    payment.outcome, payment.outcome_note = outcome, note.strip()
    payment.reviewed_at, payment.reviewed_by = timezone.now(), actor
    payment.save(update_fields=["order", "outcome", "outcome_note", "reviewed_at", "reviewed_by"])
    # The note is a person's own words and may name the guest, so it stays out of the audit.
    order = str(payment.order_id) if payment.order_id else None
    change = {"outcome": outcome, "order": order}
    record("PAYMENT_REVIEW", payment, actor=actor, old={"needs_review": payment.needs_review}, new=change)
