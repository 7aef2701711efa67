"""The office's screens for money that waits for a person. Evidence is shown, never edited; what a person decides goes
through `services.review`, like the API's."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from homeproductions.errors import Refused

from . import alerts, queries
from .models import Payment, WebhookDelivery
from .services import review

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


@dataclass(frozen=True)
class Step:
    """One decision: its page, its form, and what it does."""

    name: str
    label: str
    explanation: str
    form: type[forms.Form]
    act: Callable[[Payment, dict[str, Any], Any], str]
    fits: Callable[[Payment], bool] = field(default=lambda payment: True)

    def url(self, payment: Payment) -> str:
        return reverse("admin:orders_payment_decide", args=[payment.pk, self.name])


def is_charge(payment: Payment) -> bool:
    return payment.kind == Payment.Kind.CHARGE


def can_have_gone_back(payment: Payment) -> bool:
    return payment.kind != Payment.Kind.REFUND or payment.charge_id is not None


STEPS = (
    Step(
        "accept-late",
        "Accept as a new order",
        "A new order with the same content is made and paid with this money, if there are seats left. The guest gets "
        "the ticket by e-mail. The old order stays as it is.",
        LateForm,
        accept_late,
        is_charge,
    ),
    Step(
        "assign",
        "Assign to an order",
        "The order is paid with this money and its guest gets the ticket by e-mail. It must be pending, or have been "
        "marked paid by hand: then this is noted as its money and nothing is sent.",
        AssignForm,
        assign,
        is_charge,
    ),
    Step(
        "mark-refunded",
        "It was given back",
        "For money that you have given back at the provider, or that a dispute took. No money moves by this. The order "
        "that the money had paid is refunded: its ticket admits nobody any more.",
        NoteForm,
        mark_refunded,
        can_have_gone_back,
    ),
    Step("ignore", "Nothing to do", "Takes it off the list. The note is kept with it.", IgnoreForm, ignore),
)


# --- Screens --------------------------------------------------------------------------------------------------


FILTER = "admin/orders/filter.html"


class ChoiceFilter(admin.ChoicesFieldListFilter):
    template = FILTER


class ValueFilter(admin.AllValuesFieldListFilter):
    template = FILTER


class ReadOnly(admin.ModelAdmin):
    """Rows that only providers and services write."""

    show_facets = admin.ShowFacets.NEVER

    class Media:
        css = {"all": ["office/money.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class WaitingFilter(admin.SimpleListFilter):
    title = "waiting for a person"
    parameter_name = "waiting"
    template = FILTER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "Yes")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payment]) -> QuerySet[Payment]:
        if self.value() != "1":
            return queryset
        return queryset.filter(outcome=Payment.Outcome.NONE).exclude(needs_review=Payment.Review.NONE)


@admin.register(Payment)
class PaymentAdmin(ReadOnly):
    list_display = ("waits", "amount", "kind", "order_number", "why", "provider", "created_at", "outcome")
    list_display_links = ("waits", "amount")
    list_filter = (
        WaitingFilter,
        ("needs_review", ChoiceFilter),
        ("kind", ChoiceFilter),
        ("provider", ValueFilter),
        ("outcome", ChoiceFilter),
    )
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

    def get_urls(self) -> list[URLPattern]:
        decide = self.admin_site.admin_view(self.decide)
        return [
            path("<uuid:payment_id>/decide/<slug:name>/", decide, name="orders_payment_decide"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        payment = self.get_object(request, object_id)
        steps = steps_for(payment) if payment is not None else []
        shown = [{"url": step.url(payment), "label": step.label} for step in steps if payment is not None]
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "steps": shown})

    def decide(self, request: HttpRequest, payment_id: Any, name: str) -> HttpResponse:
        """The page of one decision: what it means, and the button that does it."""
        payment = self.get_object(request, str(payment_id))
        if payment is None or not self.has_view_permission(request, payment):
            raise PermissionDenied
        back = reverse("admin:orders_payment_change", args=[payment.pk])
        step = next((step for step in steps_for(payment) if step.name == name), None)
        if step is None:
            messages.error(request, "This payment does not wait for that.")
            return HttpResponseRedirect(back)
        form = step.form(request.POST if request.method == "POST" else None)
        refusal = ""
        if request.method == "POST" and form.is_valid():
            try:
                messages.success(request, step.act(payment, form.cleaned_data, request.user))
                return HttpResponseRedirect(back)
            except Refused as error:
                refusal = str(error)
        context = {
            **self.admin_site.each_context(request),
            "title": step.label,
            "opts": self.opts,
            "payment": payment,
            "explanation": step.explanation,
            "button": step.label,
            "form": form,
            "refusal": refusal,
        }
        return TemplateResponse(request, "admin/orders/payment/decide.html", context)

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


def steps_for(payment: Payment) -> list[Step]:
    return [step for step in STEPS if step.fits(payment)] if payment.is_waiting else []


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnly):
    """Every notice as it came. `failed` ones are tried again by themselves; `ignored` ones said nothing to us."""

    list_display = ("received_at", "provider", "status", "attempts", "reason", "event_id")
    list_filter = (("status", ChoiceFilter), ("provider", ValueFilter))
    search_fields = ("event_id", "reason")
    fields = ("provider", "event_id", "status", "reason", "attempts", "received_at", "processed_at", "text")

    @admin.display(description="Body")
    def text(self, delivery: WebhookDelivery) -> str:
        return bytes(delivery.body).decode("utf-8", "replace")
