"""The office's screens for money that waits for a person. Evidence is shown, never edited; what a person decides goes
through `payment_steps`."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from homeproductions.office.filters import Choice, by_value
from homeproductions.office.rows import filled
from homeproductions.office.screens import ReadOnly
from orders import alerts, places
from orders.journal import major_units
from orders.models import Payment
from orders.providers.registry import BY_NAME

from . import payment_steps
from .deliveries import body_text
from .evidence import can_pay, candidates_of, said_by_provider
from .filters import DayFilter
from .words import content, moment, money, order_url, pill

PROVIDERS = tuple(BY_NAME)


class WaitingFilter(Choice):
    title = "waiting for a person"
    parameter_name = "waiting"
    # The last condition follows from the first; the index of what waits is found by it.
    choices_known = [("1", "Yes", places.IS_WAITING & Q(reviewed_at=None))]


PARTS = (
    (None, ("why", "advice", "answer_by", "amount", "kind", "order_link", "price", "charge_link")),
    ("What became of it", ("outcome", "outcome_note", "reviewed_at", "reviewed_by")),
    ("At the provider", ("provider", "reference", "checkout_reference", "fee", "payer_email", "created_at")),
)


@admin.register(Payment)
class PaymentAdmin(ReadOnly):
    steps = payment_steps.STEPS
    change_form_template = "admin/orders/payment.html"
    list_display = (
        "waits",
        "amount",
        "why",
        "order_number",
        "kind",
        "provider",
        "payer_email",
        "created_at",
        "outcome",
    )
    list_display_links = ("waits", "amount")
    list_filter = (WaitingFilter, "needs_review", "kind", by_value("provider", PROVIDERS), "outcome", DayFilter)
    search_fields = ("reference", "checkout_reference", "payer_email", "order__order_number")
    search_help_text = "Search by the provider's reference, the payer's e-mail or the order's number"
    sortable_by = ()

    class Media:
        css = {"all": ["office/orders.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payment]:
        return super().get_queryset(request).select_related("order__event", "order__tier", "charge", "reviewed_by")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """What waits longest first; all payments, the newest first."""
        return ("created_at", "id") if request.GET.get("waiting") else ("-created_at", "-id")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        parts = [(heading, filled(self, obj, names)) for heading, names in PARTS]
        return [(heading, {"fields": names}) for heading, names in parts if names]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for _, options in self.get_fieldsets(request, obj) for name in options["fields"]]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        is_waiting = {"title": "Money to look at", "here": reverse("money")} if request.GET.get("waiting") else {}
        return super().changelist_view(request, {**is_waiting, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        payment: Any = self.get_object(request, object_id)
        context = {} if payment is None else self._evidence(payment)
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def _evidence(self, payment: Payment) -> dict[str, Any]:
        delivery = payment.delivery
        return {
            "title": f"{payment.amount_text}, {payment.get_kind_display()}",
            "subtitle": None,
            "here": reverse("money") if payment.is_waiting else "",
            "is_waiting": can_pay(payment),
            "candidates": candidates_of(payment) if can_pay(payment) else [],
            "taken_back_by": payment.taken_back_by.order_by("created_at"),
            "delivery": delivery,
            "notices": said_by_provider(delivery) if delivery else [],
            "body": body_text(delivery) if delivery else "",
        }

    def as_it_is(self, row: Any) -> str:
        return f"Payment {row.reference} is {row.get_outcome_display() or row.get_needs_review_display()}"

    @admin.display(boolean=True, description="Settled")
    def waits(self, payment: Payment) -> bool:
        return not payment.is_waiting

    @admin.display
    def amount(self, payment: Payment) -> str:
        return payment.amount_text

    @admin.display(description="Provider's fee")
    def fee(self, payment: Payment) -> str:
        return "-" if payment.fee_minor is None else f"{major_units(payment.fee_minor):.2f} {payment.currency}"

    @admin.display(description="Order")
    def order_number(self, payment: Payment) -> str | None:
        return payment.order.order_number if payment.order else None

    @admin.display(description="Order")
    def order_link(self, payment: Payment) -> SafeString | str:
        order = payment.order
        if order is None:
            return "It names none that we know."
        return format_html('<a href="{}">{}</a> {} {}', order_url(order), order, pill(order.status), content(order))

    @admin.display(description="Against the price")
    def price(self, payment: Payment) -> str:
        order = payment.order
        if order is None or payment.kind != Payment.Kind.CHARGE or payment.amount_minor is None:
            return "-"
        if payment.currency != order.currency:
            return f"The order costs {money(order)}: another currency."
        difference = major_units(payment.amount_minor) - order.total_price
        if not difference:
            return "Exactly what the order costs."
        return f"{abs(difference):.2f} {order.currency} {'more' if difference > 0 else 'less'} than the {money(order)}."

    @admin.display(description="Takes back")
    def charge_link(self, payment: Payment) -> SafeString | str:
        charge = payment.charge
        if charge is None:
            return "-"
        return format_html('<a href="{}">{}, {}</a>', payment_url(charge), charge.amount_text, charge.reference)

    @admin.display
    def why(self, payment: Payment) -> str:
        return payment.get_needs_review_display().capitalize()

    @admin.display(description="What to do")
    def advice(self, payment: Payment) -> str:
        return alerts.ADVICE.get(payment.needs_review, "-") if payment.is_waiting else "-"

    @admin.display(description="Answer it by")
    def answer_by(self, payment: Payment) -> str:
        return moment(alerts.dispute_deadline(payment))


def money_to_look_at(request: HttpRequest) -> HttpResponse:
    """The list of what waits for a person."""
    user: Any = request.user
    if not user.has_perm("orders.view_payment"):
        raise PermissionDenied
    return HttpResponseRedirect(f"{reverse('admin:orders_payment_changelist')}?waiting=1")


def payment_url(payment: Payment) -> str:
    return reverse("admin:orders_payment_change", args=[payment.pk])
