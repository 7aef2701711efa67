"""What people may do with an order. Each step says what it will do, and calls the service that the API calls."""

import uuid
from typing import Any

from django import forms

from events.models import Event
from homeproductions.errors import Refused
from homeproductions.office.fields import EmailAddress, Line
from homeproductions.office.steps import Done, Step
from orders import journal, places
from orders.errors import AlreadyInside
from orders.models import CheckIn, Order
from orders.services import checkin, status

from .words import content, moment, money, paid_by, seats, ticket_url

Status = Order.Status
CHANGE, CHECK_IN = "orders.change_order", "orders.check_in"
OFF = (Event.Status.CANCELLED, Event.Status.DELETED)


# --- Questions ------------------------------------------------------------------------------------------------


class PaidForm(forms.Form):
    reference = Line(
        max_length=255, label="Reference", help_text="How to find the money again: number of the transfer or receipt."
    )
    send_email = forms.BooleanField(required=False, initial=True, label="Mail the ticket")


class RefundInsideForm(forms.Form):
    force = forms.BooleanField(label="Refund although the guest is inside")


class ResendForm(forms.Form):
    address = EmailAddress(
        max_length=255,
        label="To",
        help_text="Another address is kept beside the one that the guest typed, and gets all later mail of the order.",
    )


class ReissueForm(forms.Form):
    send_email = forms.BooleanField(required=False, initial=True, label="Mail the new ticket")


class PeopleForm(forms.Form):
    people = forms.IntegerField(min_value=1, max_value=100, label="How many people come in now")
    nonce = forms.CharField(widget=forms.HiddenInput, max_length=100, required=False)


# --- What they do ---------------------------------------------------------------------------------------------


def mark_paid(order: Order, data: dict[str, Any], actor: Any) -> str:
    status.mark_paid(order.pk, actor=actor, reference=data["reference"], send_email=data["send_email"])
    is_mailed = data["send_email"] and order.mail_address
    return f"Order {order} is paid." + (f" Its ticket is on its way to {order.mail_address}." if is_mailed else "")


def cancel(order: Order, data: dict[str, Any], actor: Any) -> str:
    status.cancel(order.pk, actor=actor)
    return f"Order {order} is cancelled."


def refund(order: Order, data: dict[str, Any], actor: Any) -> str:
    try:
        status.refund(order.pk, actor=actor, force=data.get("force", False))
    except AlreadyInside as refusal:
        raise Refused("The guest came in at this very moment. Look at the order again.") from refusal
    return f"Order {order} is refunded. Now give the money back, if you have not: this moved none."


def resend(order: Order, data: dict[str, Any], actor: Any) -> str:
    status.resend_ticket(order.pk, actor=actor, address=data["address"])
    return f"The ticket is on its way to {data['address']}."


def reissue(order: Order, data: dict[str, Any], actor: Any) -> str | Done:
    renewed = status.reissue_ticket(order.pk, actor=actor, send_email=data["send_email"])
    if data["send_email"] and renewed.mail_address:
        return f"The old code is dead. The new ticket is on its way to {renewed.mail_address}."
    return Done("The old code is dead. Show the guest the new one.", ticket_url(order))


def let_in(order: Order, data: dict[str, Any], actor: Any) -> str:
    scan = checkin.Scan(text=str(order.pk), actor=actor, people=data["people"], nonce=data["nonce"] or None)
    checkin.refuse_before_the_night(order.event)
    return welcome(checkin.check_in(scan))


def welcome(done: CheckIn) -> str:
    """From what is noted: the same press sent again, with other words, lets nobody else in."""
    order = done.order
    return f"Welcome, {order.buyer_name}! {done.admitted} of {order.quantity} are in now, order {order}."


# --- What they say beforehand ---------------------------------------------------------------------------------


def about_mark_paid(order: Order) -> list[str]:
    lines = [f"{content(order)}: {order.buyer_name}.", "The order becomes paid on your word. No money moves by this."]
    lines += _if_off(order)
    if any(payment.is_waiting for payment in order.payments.all()):
        lines.append("Careful: a payment for this order waits already, under Money to look at. Assign that one.")
    return lines


def about_cancel(order: Order) -> list[str]:
    return [
        f"{content(order)}: {order.buyer_name}.",
        _seats_go_back(order),
        "The guest is not told by mail. Should they pay after all, the money waits for you under Money to look at.",
    ]


def about_refund(order: Order) -> list[str]:
    return [
        f"{content(order)}: {order.buyer_name}.",
        "The ticket admits nobody any more.",
        _seats_go_back(order) if not inside(order) else _they_are_inside(order),
        *_money_back(order),
        _word_of_it(order),
    ]


def about_resend(order: Order) -> list[str]:
    lines = [f"{content(order)}: {order.buyer_name}.", *_if_off(order)]
    if order.buyer_email:
        lines.append(f"The guest typed {order.buyer_email}.")
    return [*lines, "The same ticket is mailed once more. Earlier copies of it stay good, but it lets in only once."]


def about_reissue(order: Order) -> list[str]:
    return [
        f"{content(order)}: {order.buyer_name}.",
        *_if_off(order),
        "The ticket gets a new code. The old one is refused at the door from now on, on paper and on every phone.",
        "The links in the mails so far lead nowhere any more.",
    ]


def about_let_in(order: Order) -> list[str]:
    lines = [f"{order.buyer_name}: {order.quantity} x {order.tier.name} for {order.event.name}."]
    if inside(order):
        lines.append(f"{inside(order)} of {order.quantity} are inside already.")
    return lines


def is_off(order: Order) -> bool:
    return order.event.status in OFF


def _if_off(order: Order) -> list[str]:
    return [f"Careful: this event is {order.event.status}; its tickets admit nobody."] if is_off(order) else []


def _seats_go_back(order: Order) -> str:
    if order.is_test:
        return "It is a test order and holds no seats."
    verb = "goes" if order.quantity == 1 else "go"
    return f"{seats(order.quantity)} {verb} back on sale."


def _they_are_inside(order: Order) -> str:
    return f"{inside(order)} of {order.quantity} are inside. They keep their place: the seats are not sold again."


def _money_back(order: Order) -> list[str]:
    left = journal.balance(order)
    if not left:
        return ["There is no money to give back."]
    sums = " and ".join(f"{amount} {currency}" for currency, amount in left.items())
    back = [f"You give {sums} back yourself: this notes the refund, it moves no money."]
    if places.settled_charges().filter(order=order).exists():
        back.append("Until the provider tells of it, or you do, it waits under Money to look at.")
    reference = f"reference {order.payment_reference}, " if order.payment_reference else ""
    back.append(f"Paid: {paid_by(order).lower()}, {reference}{moment(order.payment_confirmed_at)}.")
    if sums != money(order):
        back.append(f"The order cost {money(order)}; the rest was given back before, or another amount came in.")
    return back


def _word_of_it(order: Order) -> str:
    if order.is_test or not order.mail_address:
        return "Nobody is mailed."
    return f"{order.mail_address} is told by mail. A mail of this order that has not left yet is not sent."


# --- When they fit --------------------------------------------------------------------------------------------


def inside(order: Any) -> int:
    """How many of the order's people are in, as the list has asked."""
    return order.admitted or 0


def is_pending(order: Order) -> bool:
    return order.status == Status.PENDING


def is_paid(order: Order) -> bool:
    return order.status == Status.PAID


def can_be_mailed(order: Order) -> bool:
    return is_paid(order) and order.forgotten_at is None


def is_welcome(order: Order) -> bool:
    is_night = not is_off(order) and not checkin.why_nobody_yet(order.event)
    return is_paid(order) and is_night and inside(order) < order.quantity


def nobody_inside(order: Order) -> bool:
    return is_paid(order) and not inside(order)


def somebody_inside(order: Order) -> bool:
    return is_paid(order) and bool(inside(order))


STEPS = (
    Step(
        "check-in",
        "Check in",
        CHECK_IN,
        let_in,
        about_let_in,
        PeopleForm,
        initial=lambda order: {"people": order.quantity - inside(order), "nonce": uuid.uuid4()},
        fits=is_welcome,
    ),
    Step("mark-paid", "Mark as paid", CHANGE, mark_paid, about_mark_paid, PaidForm, fits=is_pending),
    Step(
        "resend",
        "Mail the ticket again",
        CHANGE,
        resend,
        about_resend,
        ResendForm,
        initial=lambda order: {"address": order.mail_address},
        fits=can_be_mailed,
    ),
    Step("new-code", "Revoke and issue a new code", CHANGE, reissue, about_reissue, ReissueForm, fits=is_paid),
    Step("cancel", "Cancel the order", CHANGE, cancel, about_cancel, fits=is_pending, is_danger=True),
    Step("refund", "Refund", CHANGE, refund, about_refund, fits=nobody_inside, is_danger=True),
    Step(
        "refund-inside",
        "Refund although inside",
        CHANGE,
        refund,
        about_refund,
        RefundInsideForm,
        fits=somebody_inside,
        is_danger=True,
    ),
)
