"""What speaks for which order, for money that nobody could place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from orders import queries
from orders.journal import major_units
from orders.models import Order, Payment, WebhookDelivery
from orders.providers import Notice
from orders.providers.registry import notices_in
from orders.services import payments, review

from .words import money, order_url

ACCEPT_LATE = "accept-late"
NAMED, ADDRESS, AMOUNT = "the payment names it", "same e-mail", "same amount"
CLOSED = (Order.Status.CANCELLED, Order.Status.REFUNDED)


def can_pay(payment: Payment) -> bool:
    return payment.is_waiting and payment.kind == Payment.Kind.CHARGE and not payment.is_no_money


def is_late_charge(payment: Payment) -> bool:
    is_closed = payment.order is None or payment.order.status in CLOSED
    return can_pay(payment) and is_closed


@dataclass(frozen=True)
class Candidate:
    """An order that the money may be for: what speaks for it, and where to give it the money, or why not."""

    order: Order
    facts: Sequence[str]
    url: str = ""
    label: str = ""
    why_not: str = ""


def candidates_of(payment: Payment) -> list[Candidate]:
    """Those that most speaks for come first."""
    found = [_candidate(payment, order) for order in queries.candidates(payment)]
    return sorted(found, key=lambda candidate: [fact not in candidate.facts for fact in (NAMED, ADDRESS, AMOUNT)])


def _candidate(payment: Payment, order: Order) -> Candidate:
    facts = list(_facts(payment, order))
    if facts == [AMOUNT]:
        # Many cost the same: look first, and then assign it by its number.
        return Candidate(order, facts, order_url(order), "Look at the order")
    step, label = _fitting_step(order)
    if not step:
        return Candidate(order, facts, why_not=f"It is {order.status} already, with other money.")
    if step == ACCEPT_LATE and not is_late_charge(payment):
        return Candidate(order, facts, why_not=f"It is {order.status}, and the payment names another that is not.")
    url = reverse("admin:orders_payment_step", args=[payment.pk, step])
    return Candidate(order, facts, f"{url}?{urlencode({'order': order.order_number})}", label)


def _facts(payment: Payment, order: Order) -> Iterator[str]:
    address = payment.payer_email.lower()
    if payment.order_id == order.pk:
        yield NAMED
    if address and address in (order.buyer_email.lower(), (order.corrected_email or "").lower()):
        yield ADDRESS
    yield AMOUNT if payments.is_exact(order, payment) else f"costs {money(order)}"


def _fitting_step(order: Order) -> tuple[str, str]:
    match order.status:
        case Order.Status.PENDING:
            return "assign", "Assign"
        case _ if order.status in CLOSED:
            return ACCEPT_LATE, "Accept as a new order"
        case _ if order.payment_provider in review.BY_HAND:
            return "assign", "It is its money"
    return "", ""


def said_by_provider(delivery: WebhookDelivery) -> list[list[tuple[str, str]]]:
    """What each notice in the delivery says, as we read it; nothing when we cannot."""
    notices = notices_in(delivery.provider, delivery.body)
    return [[(label, said) for label, said in _in_words(notice) if said] for notice in notices]


def _in_words(notice: Notice) -> Iterator[tuple[str, str]]:
    yield "What", f"{notice.kind}, {notice.outcome}"
    yield "Amount", "" if notice.amount_minor is None else f"{major_units(notice.amount_minor):.2f} {notice.currency}"
    yield "Fee", "" if notice.fee_minor is None else f"{major_units(notice.fee_minor):.2f} {notice.currency}"
    yield "Order", notice.order_reference
    yield "Payer", notice.payer_email
    yield "Payment", notice.reference
    yield "Checkout", notice.checkout_reference
    yield "Takes back", ", ".join(notice.charge_references)
