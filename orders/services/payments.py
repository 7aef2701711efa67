"""Money: a notice becomes a paid order, or a payment that waits for a person. Never dropped, never guessed."""

from dataclasses import dataclass

from events.models import Event
from orders import journal, places
from orders.journal import minor_units
from orders.models import Order, Payment, WebhookDelivery
from orders.providers import Kind, Notice, Outcome
from orders.providers.registry import notices_in

from . import matching, refunds
from .settlement import mark_paid, wait_for_a_person


@dataclass(frozen=True)
class Result:
    """What became of a delivery, in the words of contract 2.8."""

    processed: bool
    reason: str = ""


def apply_notice(notice: Notice, *, provider: str, delivery: WebhookDelivery | None = None) -> Result:
    """Do what a provider says, in the caller's transaction. Its rank decides, never its time: what is not done yet,
    or has failed, changes nothing, whatever came before it."""
    if notice.kind == Kind.REFUND and notice.outcome == Outcome.FAILED and notice.reference:
        return Result(False, refunds.note_failure(notice, provider, delivery))
    if notice.kind == Kind.CHARGE and notice.outcome == Outcome.UNKNOWN and _may_be_money(notice):
        return _keep_unclear(notice, provider, delivery)
    if notice.outcome != Outcome.PAID:
        return Result(True) if notice.order_reference or notice.checkout_reference else Result(False, "no_order_id")
    if notice.kind == Kind.CHARGE:
        is_clear = notice.amount_minor is None or notice.amount_minor > 0
        return _charge(notice, provider, delivery) if is_clear else _keep_unclear(notice, provider, delivery)
    reason = refunds.take_back(notice, provider, delivery)
    return Result(not reason, reason)


NIGHTS_OFF = (Event.Status.CANCELLED, Event.Status.DELETED)


def _may_be_money(notice: Notice) -> bool:
    return bool(notice.order_reference or notice.checkout_reference) or notice.amount_minor is not None


def _keep_unclear(notice: Notice, provider: str, delivery: WebhookDelivery | None) -> Result:
    """A notice in words that we do not know, or of money that is none: perhaps a guest has paid, so a person looks.
    When a clear one of the same payment comes, that one decides."""
    order = matching.lock_order(notice, provider)
    if matching.known_charge(notice, provider, order) is not None:
        return Result(True)
    payment = _new(notice, provider, delivery, order)
    wait_for_a_person(payment, Payment.Review.UNCLEAR)
    return Result(False, payment.needs_review)


def reason_for_review(order: Order | None, payment: Payment) -> str:
    """Why a person must look at this money, or an empty text when it simply pays the order."""
    if order is None:
        return Payment.Review.UNKNOWN
    if order.status == Order.Status.PENDING:  # nothing took its place: only closed orders have successors
        if order.event.status in NIGHTS_OFF:
            return Payment.Review.LATE  # no ticket is sold for a night that is off
        return Payment.Review.NONE if is_exact(order, payment) else Payment.Review.AMOUNT
    if order.status == Order.Status.PAID or order.successors.filter(status=Order.Status.PAID).exists():
        return Payment.Review.DOUBLE
    return Payment.Review.LATE


def is_exact(order: Order, payment: Payment) -> bool:
    """Whether the money is what the order costs, to the cent and in its currency."""
    return (payment.amount_minor, payment.currency) == (minor_units(order.total_price), order.currency)


def _charge(notice: Notice, provider: str, delivery: WebhookDelivery | None) -> Result:
    # The order's lock comes first: behind it, another notice of the same payment is seen.
    order = matching.lock_order(notice, provider)
    known = matching.known_charge(notice, provider, order)
    if known is None:
        return _decide(_new(notice, provider, delivery, order), order, notice)
    if _is_other_money(known, notice):
        return _keep_reused_reference(known, notice, delivery)
    known = _lock(known)
    if not known.is_waiting:
        # Counted; what was decided about it is not decided again.
        return _learn_fee(known, notice)
    if known.order_id is not None and (order is None or known.order_id != order.pk):
        return Result(False, known.needs_review)  # it waits with another order, which is not locked
    _learn(known, notice)
    return _decide(known, order, notice)


def _is_other_money(known: Payment, notice: Notice) -> bool:
    """Whether a notice under a known reference is of another payment: merchants may reuse references. It names
    another order, and neither the checkout nor the first notice of the known payment ties it to that one."""
    order_id = matching.named_order(notice)
    if order_id is None or known.order_id in (None, order_id):
        return False
    if known.checkout_reference and known.checkout_reference == notice.checkout_reference:
        return False
    # A person may have given the known payment to another order than the one that it named.
    return notice.order_reference not in _orders_named_by(known)


def _orders_named_by(payment: Payment) -> set[str]:
    if payment.delivery is None:
        return set()
    # It may say nothing: the payment was assigned by a person, or its guest was forgotten.
    return {notice.order_reference for notice in notices_in(payment.provider, payment.delivery.body)}


def _keep_reused_reference(known: Payment, notice: Notice, delivery: WebhookDelivery | None) -> Result:
    event_id = delivery.event_id if delivery else notice.order_reference
    payment, is_new = Payment.objects.get_or_create(
        provider=known.provider,
        kind=Payment.Kind.CHARGE,
        reference=f"{known.reference[:120]} in {event_id[:120]}",
        defaults={
            "order_id": matching.named_order(notice),
            "delivery": delivery,
            "amount_minor": notice.amount_minor,
            "currency": notice.currency,
            "payer_email": notice.payer_email,
        },
    )
    if is_new:
        wait_for_a_person(payment, Payment.Review.DOUBLE)
    return Result(False, payment.needs_review)


def _decide(payment: Payment, order: Order | None, notice: Notice) -> Result:
    """Pay the order or let the payment wait; both are locked, or the payment is new and stored here."""
    is_new = payment._state.adding
    payment.order = order
    reason = reason_for_review(order, payment)
    if not is_new:
        payment.save(update_fields=["order"])
    if reason or not is_new:
        wait_for_a_person(payment, reason)
    if order is not None and not reason:
        mark_paid(order, provider=payment.provider, reference=payment.reference, payment=payment)
        if not is_new:
            refunds.follow_up(payment, order)
    refunds.settle_early(payment, order)
    if reason == Payment.Review.UNKNOWN:
        return Result(False, "order_not_found" if notice.order_reference else "no_order_id")
    return Result(not reason, reason)


def _lock(payment: Payment) -> Payment:
    return Payment.objects.select_for_update(of=("self",), no_key=True).get(pk=payment.pk)


def _new(notice: Notice, provider: str, delivery: WebhookDelivery | None, order: Order | None) -> Payment:
    """The one row of this payment, unsaved."""
    event_id = delivery.event_id if delivery else ""
    return Payment(
        order=order,
        delivery=delivery,
        provider=provider,
        reference=notice.reference or event_id or notice.checkout_reference,
        checkout_reference=notice.checkout_reference or None,
        amount_minor=notice.amount_minor,
        fee_minor=notice.fee_minor,
        currency=notice.currency,
        payer_email=notice.payer_email,
    )


def _learn(payment: Payment, notice: Notice) -> None:
    """Fill in what an earlier notice of the same payment did not say; what it said stays."""
    payment.checkout_reference = payment.checkout_reference or notice.checkout_reference or None
    if payment.amount_minor is None or payment.is_no_money:
        payment.amount_minor, payment.currency = notice.amount_minor, notice.currency or payment.currency
    if payment.fee_minor is None:
        payment.fee_minor = notice.fee_minor
    payment.payer_email = payment.payer_email or notice.payer_email
    payment.save(update_fields=["checkout_reference", "amount_minor", "currency", "fee_minor", "payer_email"])


def _learn_fee(payment: Payment, notice: Notice) -> Result:
    """The family of events that tells of the fee may come second. The payment is locked and decided about."""
    if payment.fee_minor is None and notice.fee_minor:
        payment.fee_minor = notice.fee_minor
        payment.save(update_fields=["fee_minor"])
        if payment.order is not None and places.settled_charges().filter(pk=payment.pk).exists():
            journal.fee(payment.order, payment)
    return Result(True)
