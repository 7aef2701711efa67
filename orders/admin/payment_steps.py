"""What people may decide about money that waits. Each step says what it will do, and calls the service that the API
calls."""

from collections.abc import Callable
from typing import Any

from django import forms

from homeproductions.office.steps import Step
from orders import queries
from orders.models import Payment
from orders.services import refunds, review

from .evidence import can_pay, is_late_charge


class AcceptForm(forms.Form):
    accept_difference = forms.BooleanField(
        required=False, label="Accept a difference", help_text="Even if amount or currency are not what it costs."
    )


class LateForm(AcceptForm):
    order = forms.CharField(
        max_length=100, required=False, label="Order number", help_text="Only when the payment names no order."
    )

    field_order = ("order", "accept_difference")


class AssignForm(AcceptForm):
    order = forms.CharField(max_length=100, label="Order number")
    note = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3}))

    field_order = ("order", "accept_difference", "note")


class NoteForm(forms.Form):
    note = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3}))


class IgnoreForm(forms.Form):
    note = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), label="Why", help_text="For whoever asks later.")


def assign(payment: Payment, data: dict[str, Any], actor: Any) -> str:
    order = queries.find_by_number_or_id(data["order"])
    review.assign(payment.pk, order.pk, actor=actor, accept_difference=data["accept_difference"], note=data["note"])
    return f"The payment belongs to order {order.order_number}."


def accept_late(payment: Payment, data: dict[str, Any], actor: Any) -> str:
    named = queries.find_by_number_or_id(data["order"]).pk if data["order"] else None
    order = review.accept_late(payment.pk, actor=actor, order_id=named, accept_difference=data["accept_difference"])
    told = f"its ticket is on its way to {order.mail_address}" if order.mail_address else "show its ticket to the guest"
    return f"Order {order.order_number} is paid; {told}."


def mark_refunded(payment: Payment, data: dict[str, Any], actor: Any) -> str:
    review.mark_refunded(payment.pk, actor=actor, note=data["note"])
    return "Noted as given back."


def ignore(payment: Payment, data: dict[str, Any], actor: Any) -> str:
    review.ignore(payment.pk, actor=actor, note=data["note"])
    return "Off the list."


def can_have_gone_back(payment: Payment) -> bool:
    return payment.is_waiting and (payment.kind != Payment.Kind.REFUND or payment.charge_id is not None)


def can_be_ignored(payment: Payment) -> bool:
    return payment.is_waiting and not review.why_not_ignored(payment, payment.order)


def about_amount(payment: Payment) -> list[str]:
    if payment.amount_minor is not None:
        return []
    return ["The notice says no amount: by accepting a difference you say that the price came in full."]


def about_order(payment: Payment) -> list[str]:
    """What becomes of the order when this is noted as given back."""
    order = payment.order
    if order is None:
        return []
    if refunds.would_refund(payment):
        return [f"Order {order} is refunded by this: its ticket admits nobody any more."]
    return [f"Order {order} stays as it is, {order.status}."]


def said(explanation: str, more: Callable[[Payment], list[str]] = lambda payment: []) -> Callable[[Payment], list[str]]:
    """What the payment is, then what the step does."""

    def explain(payment: Payment) -> list[str]:
        order = f", order {payment.order.order_number} ({payment.order.status})" if payment.order else ""
        what = f"{payment.amount_text}, {payment.get_kind_display()} through {payment.provider}{order}"
        return [f"{what}: {payment.get_needs_review_display()}.", explanation, *more(payment)]

    return explain


STEPS = (
    Step(
        "accept-late",
        "Accept as a new order",
        "orders.change_payment",
        accept_late,
        said(
            "A new order with the same content is made and paid with this money, if there are seats left. The guest "
            "gets the ticket by e-mail. The old order stays as it is.",
            about_amount,
        ),
        LateForm,
        fits=is_late_charge,
        prefilled=("order",),
    ),
    Step(
        "assign",
        "Assign to an order",
        "orders.change_payment",
        assign,
        said(
            "The order is paid with this money and its guest gets the ticket by e-mail. It must be pending, or have "
            "been marked paid by hand: then this is noted as its money and nothing is sent.",
            about_amount,
        ),
        AssignForm,
        fits=can_pay,
        prefilled=("order",),
    ),
    Step(
        "mark-refunded",
        "It was given back",
        "orders.change_payment",
        mark_refunded,
        said(
            "For money that you have given back at the provider, or that a dispute took. No money moves by this.",
            about_order,
        ),
        NoteForm,
        fits=can_have_gone_back,
    ),
    Step(
        "ignore",
        "Nothing to do",
        "orders.change_payment",
        ignore,
        said("Takes it off the list. The note is kept with it."),
        IgnoreForm,
        fits=can_be_ignored,
    ),
)
