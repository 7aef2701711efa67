"""The office's screens for money that waits for a person. Evidence is shown, never edited; what a person decides goes
through `services.review`, like the API's."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from homeproductions.office.filters import Choice, by_value
from homeproductions.office.screens import ReadOnly
from homeproductions.office.steps import Step
from orders import alerts, places, queries
from orders.models import Payment, WebhookDelivery
from orders.providers.registry import BY_NAME
from orders.services import review

PROVIDERS = tuple(BY_NAME)

# --- What a person may decide ---------------------------------------------------------------------------------


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
    return f"Order {order.order_number} is paid; its ticket is on its way by e-mail."


def mark_refunded(payment: Payment, data: dict[str, Any], actor: Any) -> str:
    review.mark_refunded(payment.pk, actor=actor, note=data["note"])
    return "Noted as given back."


def ignore(payment: Payment, data: dict[str, Any], actor: Any) -> str:
    review.ignore(payment.pk, actor=actor, note=data["note"])
    return "Off the list."


def is_waiting_charge(payment: Payment) -> bool:
    return payment.is_waiting and payment.kind == Payment.Kind.CHARGE


def can_have_gone_back(payment: Payment) -> bool:
    is_refund = payment.kind == Payment.Kind.REFUND
    return payment.is_waiting and (not is_refund or payment.needs_review == Payment.Review.REFUND_FAILED)


def said(explanation: str) -> Callable[[Payment], list[str]]:
    """What the payment is, then what the step does."""

    def explain(payment: Payment) -> list[str]:
        order = f", order {payment.order.order_number} ({payment.order.status})" if payment.order else ""
        what = f"{payment.amount_text}, {payment.get_kind_display()} through {payment.provider}{order}"
        return [f"{what}: {payment.get_needs_review_display()}.", explanation]

    return explain


STEPS = (
    Step(
        "accept-late",
        "Accept as a new order",
        "orders.change_payment",
        accept_late,
        said(
            "A new order with the same content is made and paid with this money, if there are seats left. The guest "
            "gets the ticket by e-mail. The old order stays as it is."
        ),
        LateForm,
        fits=is_waiting_charge,
    ),
    Step(
        "assign",
        "Assign to an order",
        "orders.change_payment",
        assign,
        said(
            "The order is paid with this money and its guest gets the ticket by e-mail. It must be pending, or have "
            "been marked paid by hand: then this is noted as its money and nothing is sent."
        ),
        AssignForm,
        fits=is_waiting_charge,
    ),
    Step(
        "mark-refunded",
        "It was given back",
        "orders.change_payment",
        mark_refunded,
        said(
            "For money that you have given back at the provider, or that a dispute took. No money moves by this. The "
            "order that the money had paid is refunded: its ticket admits nobody any more."
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
        fits=lambda payment: payment.is_waiting,
    ),
)


# --- Screens --------------------------------------------------------------------------------------------------


class WaitingFilter(Choice):
    title = "waiting for a person"
    parameter_name = "waiting"
    choices_known = [("1", "Yes", places.IS_WAITING)]


@admin.register(Payment)
class PaymentAdmin(ReadOnly):
    steps = STEPS
    list_display = ("waits", "amount", "why", "order_number", "kind", "provider", "created_at", "outcome")
    list_display_links = ("waits", "amount")
    list_filter = (WaitingFilter, "needs_review", "kind", by_value("provider", PROVIDERS), "outcome")
    search_fields = ("reference", "checkout_reference", "payer_email", "order__order_number")
    sortable_by = ()
    fieldsets = (
        (None, {"fields": ("why", "answer_by", "amount", "kind", "order_number", "order_status")}),
        (
            "At the provider",
            {"fields": ("provider", "reference", "checkout_reference", "fee", "payer_email", "created_at", "charge")},
        ),
        ("What became of it", {"fields": ("outcome", "outcome_note", "reviewed_at", "reviewed_by")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payment]:
        return queries.payments_listed()

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ()

    @admin.display(boolean=True, description="Settled")
    def waits(self, payment: Payment) -> bool:
        return not payment.is_waiting

    @admin.display
    def amount(self, payment: Payment) -> str:
        return payment.amount_text

    @admin.display(description="Provider's fee")
    def fee(self, payment: Payment) -> str:
        return "-" if payment.fee_minor is None else f"{payment.fee_minor / 100:.2f} {payment.currency}"

    @admin.display(description="Order")
    def order_number(self, payment: Payment) -> str:
        return payment.order.order_number if payment.order else "-"

    @admin.display
    def order_status(self, payment: Payment) -> str:
        return payment.order.status if payment.order else "-"

    @admin.display
    def why(self, payment: Payment) -> str:
        return payment.get_needs_review_display()

    @admin.display(description="Answer it by")
    def answer_by(self, payment: Payment) -> str:
        deadline = alerts.dispute_deadline(payment)
        return f"{timezone.localtime(deadline):%Y-%m-%d %H:%M}" if deadline else "-"


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnly):
    """Every notice as it came. `failed` ones are tried again by themselves; `ignored` ones said nothing to us."""

    list_display = ("received_at", "provider", "status", "attempts", "reason", "event_id")
    list_filter = ("status", by_value("provider", PROVIDERS))
    search_fields = ("event_id", "reason")
    fields = ("provider", "event_id", "status", "reason", "attempts", "received_at", "processed_at", "text")

    @admin.display(description="Body")
    def text(self, delivery: WebhookDelivery) -> str:
        return bytes(delivery.body).decode("utf-8", "replace")
