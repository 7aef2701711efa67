"""The forms of the box office: sell to somebody at the door, give tickets away."""

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.urls import reverse
from django.utils import timezone

from events.models import Event, TicketTier
from homeproductions.office.fields import EmailAddress, Line
from homeproductions.office.steps import Done, Step
from orders.models import Order
from orders.services import box_office
from orders.services.box_office import LARGEST, METHODS, NAMELESS, Wish

from .words import money, night, order_url, people, ticket_url

SELL = "orders.add_order"
# Some nights end in the morning.
SINCE = timedelta(days=1)
NIGHTS = 60


def nights_on_offer() -> Iterable[Event]:
    """Tonight first, then what comes."""
    since = timezone.localdate() - SINCE
    nights = Event.objects.filter(status=Event.Status.ACTIVE, event_date__gte=since).prefetch_related("tiers")
    return nights.order_by("event_date", "event_time")[:NIGHTS]


class TierMenu(forms.Select):
    """Each choice knows its price, for the total on the page; one that is sold out cannot be chosen."""

    tiers: dict[str, TicketTier] = {}

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        tier = self.tiers.get(str(value))
        if tier is not None:
            option["attrs"].update({"data-price": str(tier.price), "data-currency": tier.currency})
            if tier.available <= 0:
                option["attrs"]["disabled"] = True
        return option


class TicketsForm(forms.Form):
    tier = forms.ChoiceField(label="Ticket", widget=TierMenu)
    quantity = forms.IntegerField(min_value=1, max_value=LARGEST, initial=1, label="How many")
    name = Line(max_length=255, required=False, label="Name")
    email = EmailAddress(max_length=255, required=False, label="E-mail")
    attempt = forms.CharField(max_length=100, required=False, widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.nights = list(nights_on_offer())
        self.tiers = {str(tier.pk): tier for event in self.nights for tier in event.tiers.all()}
        field: Any = self.fields["tier"]
        field.widget.tiers = self.tiers
        field.choices = [
            (night(event), [(str(tier.pk), _offer(event, tier)) for tier in event.tiers.all()]) for event in self.nights
        ]

    def clean_tier(self) -> TicketTier:
        return self.tiers[self.cleaned_data["tier"]]


def _offer(event: Event, tier: TicketTier) -> str:
    """With the night, for the closed menu shows nothing else; last, for on a phone it shows only the beginning."""
    left = f"{tier.available} left" if tier.available > 0 else "sold out"
    online = "" if tier.is_active else ", not on sale online"
    price = f"{tier.price} {tier.currency}" if tier.price else "free"
    return f"{tier.name}, {price}, {left}{online}: {event.name}"


class SellForm(TicketsForm):
    method = forms.ChoiceField(
        choices=list(METHODS.items()), initial="cash", label="Paid with", widget=forms.RadioSelect
    )
    receipt = Line(max_length=255, required=False, label="Receipt", help_text="Number of the slip, if any.")
    let_in = forms.BooleanField(required=False, label="They go straight in")

    class Media:
        css = {"all": ["office/orders.css"]}
        js = (forms.Script("office/total.js", defer=True),)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].help_text = f"Without one: {NAMELESS}."
        self.fields["email"].help_text = "The ticket is mailed there. Without one you see it on the screen."


class GiveForm(TicketsForm):
    reason = Line(max_length=255, label="Why", help_text="Press, artist's list, prize: stands with the order.")

    field_order = ("tier", "quantity", "reason", "name", "email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = True
        self.fields["email"].help_text = "The ticket is mailed there. Without one you see it on the screen."


def sell(row: None, data: dict[str, Any], actor: Any) -> Done:
    order = box_office.sell(
        _wish(data), method=data["method"], receipt=data["receipt"], let_in=data["let_in"], actor=actor
    )
    said = f"Sold: take {money(order)}. Order {order}." if order.total_price else f"Free: order {order}."
    if data["let_in"]:
        # The next one waits, and often wants the same.
        again = urlencode({"tier": order.tier_id, "quantity": order.quantity})
        address = reverse("admin:orders_order_list_step", args=["sell"])
        return Done(f"{said} {people(order.quantity)} may go in.", f"{address}?{again}")
    return _to_the_ticket(order, said)


def give_away(row: None, data: dict[str, Any], actor: Any) -> Done:
    order = box_office.give_away(_wish(data), reason=data["reason"], actor=actor)
    return _to_the_ticket(order, f"Given away: order {order} for {people(order.quantity)}.")


def _wish(data: dict[str, Any]) -> Wish:
    tier = data["tier"]
    return Wish(
        event_id=tier.event_id,
        tier_id=tier.pk,
        quantity=data["quantity"],
        name=data["name"],
        email=data["email"],
        attempt=data["attempt"],
    )


def _to_the_ticket(order: Order, said: str) -> Done:
    if order.buyer_email:
        return Done(f"{said} The ticket is on its way to {order.buyer_email}.", order_url(order))
    return Done(said, ticket_url(order))


STEPS = (
    Step(
        "sell",
        "Sell at the door",
        SELL,
        sell,
        lambda row: ["The order is paid at once: take the money first. It takes seats like any other order."],
        SellForm,
        prefilled=("tier", "quantity"),
    ),
    Step(
        "give-away",
        "Give tickets away",
        SELL,
        give_away,
        lambda row: ["An order of price zero, paid at once. It takes seats and earns nothing."],
        GiveForm,
        prefilled=("tier",),
    ),
)
