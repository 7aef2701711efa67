"""The screen of nights with what only orders know: money, and cancelling a night together with its orders."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from events import admin as nights
from events.models import Event, EventStatus
from homeproductions.office.steps import Step
from orders import statistics
from orders.models import Cancellation, JournalEntry
from orders.services import cancellation
from orders.services.box_office import COMP, DOOR
from orders.services.review import BY_HAND

# Who may see money: the office. Django's own name for looking at the rows that it is summed from.
SEE_MONEY = f"orders.view_{JournalEntry._meta.model_name}"
SEE_DOOR = "orders.view_checkin"
# A small night is done when the page comes back; of a large one the worker does the rest.
WITHIN_THE_REQUEST = timedelta(seconds=3)
# Money that no provider holds.
IN_OUR_HANDS = {**dict.fromkeys(BY_HAND, "by hand"), DOOR: "at the door", COMP: "given away", "": "in an unknown way"}


# --- Cancelling ---------------------------------------------------------------------------------------------------


class CancelForm(forms.Form):
    paid_orders = forms.ChoiceField(
        label="Paid orders", choices=Cancellation.PaidOrders.choices, widget=forms.RadioSelect
    )


def cancel(event: Event, data: dict[str, Any], actor: Any) -> str:
    cancellation.start(event.pk, paid_orders=data["paid_orders"], actor=actor)
    cancellation.work_off(event.pk, within=WITHIN_THE_REQUEST)
    state = cancellation.progress(event.pk)
    if state is None or not state.left:
        return f"{event} is cancelled, and its orders are settled."
    return f"{event} is cancelled. {state.left} orders are still to be settled; this goes on by itself."


def what_cancelling_does(event: Event) -> list[str]:
    return ["The night goes off sale at once, and its tickets admit nobody.", *what_becomes_of_orders(event)]


def what_settling_does(event: Event) -> list[str]:
    return ["The night is off already. This is about its orders.", *what_becomes_of_orders(event)]


def what_becomes_of_orders(event: Event) -> list[str]:
    """The dry run, a sentence a line."""
    ahead = cancellation.outlook(event.pk)
    if not ahead.pending and not ahead.paid:
        return ["There are no orders to settle, so nobody is mailed."]
    paid = f"Paid orders: {ahead.paid}, with {amounts(ahead.money) or 'no money'}."
    lines = [
        f"Unpaid orders: {ahead.pending}. Each is cancelled; its guest is mailed that the night is off and not to pay.",
        f"{paid} If you refund them, each guest is mailed that the order is refunded.",
        "If you keep them, each guest is mailed that the night is off and that you will write about the money.",
    ]
    if ahead.paid_inside:
        inside = amounts(ahead.money_inside) or "no money"
        lines.append(f"Of the paid ones, {ahead.paid_inside} belong to guests who were let in already, with {inside}.")
    if ahead.money:
        money = by_provider(ahead.money)
        lines.append(f"No money moves by this: you give it back, at the provider or by hand. That would be {money}.")
        lines.append("What providers still have of it waits among the payments until they tell of their refunds.")
    if ahead.waiting:
        lines.append(
            f"Payments for this night that wait for a person: {ahead.waiting}. They stay among the money to look at."
        )
    lines.append(
        "Many orders take a while: this goes on by itself, and the page of the night tells how far it is. It can be "
        "chosen again; what was cancelled or refunded stays so."
    )
    return lines


CANCEL_STEPS = (
    Step(
        "cancel",
        "Cancel the night",
        nights.CHANGE,
        cancel,
        what_cancelling_does,
        CancelForm,
        fits=nights.is_now(EventStatus.DRAFT, EventStatus.ACTIVE),
        is_danger=True,
    ),
    Step(
        "settle",
        "Settle its orders",
        nights.CHANGE,
        cancel,
        what_settling_does,
        CancelForm,
        initial=lambda event: {"paid_orders": chosen(event)},
        fits=lambda event: event.is_off,
        is_danger=True,
    ),
)


def chosen(event: Event) -> str:
    """What was chosen before, so that going on is the same again."""
    return next(iter(Cancellation.objects.filter(event=event).values_list("paid_orders", flat=True)), "")


# --- Words --------------------------------------------------------------------------------------------------------


def amounts(money: Mapping[tuple[str, str], Decimal]) -> str:
    """`51.00 USD and 200.00 GTQ`."""
    sums: dict[str, Decimal] = {}
    for (_, currency), amount in money.items():
        sums[currency] = sums.get(currency, Decimal(0)) + amount
    return " and ".join(f"{amount:,.2f} {currency}" for currency, amount in sorted(sums.items()))


def by_provider(money: Mapping[tuple[str, str], Decimal]) -> str:
    """`51.00 USD paid by recurrente, 25.50 USD paid by hand`."""
    return ", ".join(
        f"{amount:,.2f} {currency} paid {IN_OUR_HANDS.get(provider, f'by {provider}')}"
        for (provider, currency), amount in sorted(money.items())
    )


# --- Screen -------------------------------------------------------------------------------------------------------


class NightsWithMoney(nights.Nights):
    """The list, with the tickets that are paid and what its nights earned: two queries more."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        paid = statistics.sold_by_event(self.result_list)
        earned = earned_by(event.pk for event in self.result_list) if may_see_money(request) else {}
        for event in self.result_list:
            event.paid = paid.get(event.pk, 0)
            event.earned = earned.get(event.pk, "-")


def earned_by(event_ids: Iterable[UUID]) -> dict[UUID, str]:
    revenue = statistics.revenue_by_event(event_ids)
    return {event_id: amounts({("", each): sums[each] for each in sums}) for event_id, sums in revenue.items()}


def may_see_money(request: HttpRequest) -> bool:
    user: Any = request.user
    return user.has_perm(SEE_MONEY)


@admin.register(Event)
class EventAdmin(nights.EventAdmin):
    steps = (nights.STEPS[0], CANCEL_STEPS[0], CANCEL_STEPS[1], *nights.STEPS[1:])
    readonly_fields = (*nights.EventAdmin.readonly_fields, "revenue")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NightsWithMoney

    def get_list_display(self, request: HttpRequest) -> Any:
        *shown, place = super().get_list_display(request)
        return (*shown, "earned", place) if may_see_money(request) else (*shown, place)

    def get_fieldsets(self, request: HttpRequest, obj: Event | None = None) -> Any:
        [(name, first), *others] = super().get_fieldsets(request, obj)
        if obj is None or not may_see_money(request):
            return [(name, first), *others]
        return [(name, {**first, "fields": ["state", "revenue", *first["fields"][1:]]}), *others]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        event = self.get_object(request, object_id)
        state = cancellation.progress(event.pk) if event is not None and event.is_off else None
        context = {**(extra_context or {}), "cancellation": state}
        if state is not None:
            context["refunded"] = by_provider(state.refunded) if may_see_money(request) else ""
        return super().change_view(request, object_id, form_url, context)

    def offered(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        buttons = super().offered(request, row)
        if row is None:
            return buttons
        orders = f"{reverse('admin:orders_order_changelist')}?event={row.pk}"
        links = (("Orders", "orders.view_order", orders), ("Door list", SEE_DOOR, reverse("door-list", args=[row.pk])))
        user: Any = request.user
        shown = [{"url": url, "label": label, "is_danger": False} for label, need, url in links if user.has_perm(need)]
        return [*shown, *buttons]

    @admin.display(description="Sold")
    def sold(self, event: Any) -> SafeString:
        taken, capacity = event.seats
        return nights.seats_bar(event.paid, capacity, held=taken - event.paid)

    @admin.display(description="Revenue")
    def earned(self, event: Any) -> str:
        return event.earned

    @admin.display(description="Revenue")
    def revenue(self, event: Event) -> str:
        return earned_by([event.pk]).get(event.pk, "-")
