"""The steps along the status graph that people take. Each locks the order, re-checks, and commits with its history."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit.services import record
from events.services.seats import release
from homeproductions.mail.services import close_open
from orders import journal, mails
from orders.errors import (
    AlreadyInside,
    CannotCancel,
    CannotRefund,
    GuestForgotten,
    MailLeaving,
    NoAddress,
    NotPaid,
    OrderNotFound,
)
from orders.models import Order, Payment

from . import settlement, tickets

Status = Order.Status


@transaction.atomic
def mark_paid(
    order_id: UUID, *, actor: User, provider: str = "admin", reference: str | None = None, send_email: bool = True
) -> Order:
    """Take a person's word that the money is there. A paid order stays as it is.

    Raises OrderNotFound or OrderNotPending.
    """
    order = lock(order_id)
    if order.status != Status.PAID:
        settlement.mark_paid(order, provider=provider, reference=reference, actor=actor, send_ticket=send_email)
    return order


@transaction.atomic
def cancel(order_id: UUID, *, actor: User | None = None) -> Order:
    """Close a pending order and give its seats back, once. A cancelled order stays as it is.

    Raises OrderNotFound or CannotCancel.
    """
    order = lock(order_id)
    if order.status == Status.CANCELLED:
        return order
    if order.status != Status.PENDING:
        raise CannotCancel
    cancel_locked(order, actor=actor)
    return order


def cancel_locked(order: Order, *, actor: User | None = None, reason: str = "") -> None:
    """Close a pending order and give its seats back, in the caller's transaction, which holds the order's lock."""
    order.cancelled_at = timezone.now()
    _leave(order, Status.CANCELLED, "cancelled_at", actor=actor, release_seats=True, reason=reason)


@transaction.atomic
def refund(order_id: UUID, *, actor: User | None = None, force: bool = False) -> Order:
    """Take a paid order back: its ticket admits nobody any more and its seats are sold again, once.

    Somebody who is inside keeps their place: then it takes `force`, and the seats are not given back.
    Raises OrderNotFound, CannotRefund or AlreadyInside.
    """
    order = lock(order_id)
    if order.status == Status.REFUNDED:
        return order
    if order.status != Status.PAID:
        raise CannotRefund
    refund_locked(order, actor=actor, force=force)
    return order


def refund_locked(
    order: Order,
    *,
    actor: User | None = None,
    force: bool = False,
    payment: Payment | None = None,
    reason: str = "",
) -> None:
    """`refund` in the caller's transaction, which holds the lock of the paid order. `payment` is the provider's
    word of it; without one the provider still has the money, which then waits for a person. What was given back in
    parts before is not booked again. Raises AlreadyInside."""
    is_inside = order.checkins.exists()
    if is_inside and not force:
        raise AlreadyInside
    order.refunded_at = timezone.now()
    _leave(order, Status.REFUNDED, "refunded_at", actor=actor, release_seats=not is_inside, reason=reason)
    for currency, rest in journal.balance(order).items():
        journal.refunded(order, rest, currency, payment)
    if payment is None:
        settlement.owe_refund(order)
    settlement.finish_parts(order.payments.exclude(pk=payment.pk) if payment else order.payments.all())
    mails.queue_refunded(order)


@transaction.atomic
def resend_ticket(order_id: UUID, *, actor: User, address: str = "") -> Order:
    """Queue the ticket of a paid order again. Another address becomes the one that all mail of the order goes to; the
    one that the guest typed stays as it is.

    Raises OrderNotFound, NotPaid, GuestForgotten, NoAddress or MailLeaving.
    """
    order = _lock_with_ticket(order_id)
    if order.forgotten_at is not None:
        raise GuestForgotten
    address = address.strip() or order.mail_address
    change = None
    if address.lower() != order.mail_address.lower():
        is_original = address.lower() == order.buyer_email.lower()
        order.corrected_email = None if is_original else address
        order.save(update_fields=["corrected_email"])
        change = {"is_corrected": not is_original}
    email = mails.queue_ticket(order)
    if email is None:
        raise NoAddress
    if email.recipient_email != order.mail_address:
        raise MailLeaving  # to the address before, and it cannot be called back
    record("RESEND_EMAIL", order, actor=actor, new=change)
    return order


@transaction.atomic
def reissue_ticket(order_id: UUID, *, actor: User, send_email: bool = True) -> Order:
    """Make the code of a paid order worthless, and every link to it, and give it another, which its guest is mailed.

    Raises OrderNotFound, NotPaid or MailLeaving.
    """
    order = _lock_with_ticket(order_id)
    tickets.renew_code(order, actor=actor)
    email = mails.queue_ticket(order) if send_email else None
    if email is not None and email.status == email.Status.PROCESSING:
        raise MailLeaving  # it may hold the old code
    return order


def _lock_with_ticket(order_id: UUID) -> Order:
    order = lock(order_id)
    if order.status != Status.PAID:
        raise NotPaid(f"This order is {order.status}; only a paid one has a ticket.")
    return order


def lock(order_id: UUID) -> Order:
    """The order, locked against every other change of it. Raises OrderNotFound."""
    orders = Order.objects.select_for_update(of=("self",), no_key=True).select_related("event", "tier")
    order = orders.filter(pk=order_id).first()
    if order is None:
        raise OrderNotFound
    return order


def _leave(
    order: Order, status: str, moment: str, *, actor: User | None, release_seats: bool, reason: str = ""
) -> None:
    """Move a locked order to an end of the graph. Order first, then tier: everybody locks in that order."""
    before, order.status = order.status, status
    order.save(update_fields=["status", moment])
    if release_seats and not order.is_test:
        release(order.tier_id, order.quantity)
        journal.released(order)
    # Before anything that the caller queues about the new state.
    close_open(order, kinds=mails.TO_THE_GUEST, reason=f"the order was {status}")
    change = {"status": status, "reason": reason} if reason else {"status": status}
    record("STATUS_CHANGE", order, actor=actor, old={"status": before}, new=change)
