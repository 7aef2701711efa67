"""What the office takes away about sales: orders, guests, revenue. Test orders are in none of it."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import CharField, Count, F, Func, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, Lower
from import_export.resources import Resource

from homeproductions.office.exports import Table, column, newest_first, on_days

from . import queries
from . import revenue as figures
from .models import Order

# --- Orders ---------------------------------------------------------------------------------------------------


class OrderRows(Resource):
    number = column("order_number", "Order")
    placed = column("created_at", "Placed")
    event = column("event__name", "Event")
    night = column("event__event_date", "Night")
    tier = column("tier__name", "Tier")
    tickets = column("quantity", "Tickets")
    price = column("unit_price", "Unit price")
    total = column("total_price", "Total")
    currency = column("currency", "Currency")
    status = column("status", "Status")
    guest = column("buyer_name", "Guest")
    email = column("buyer_email", "E-mail")
    corrected = column("corrected_email", "Corrected e-mail")
    phone = column("buyer_phone", "Phone")
    country = column("buyer_country", "Country")
    nationality = column("buyer_nationality", "Nationality")
    paid = column("payment_confirmed_at", "Paid at")
    method = column("payment_method", "Paid with")
    provider = column("payment_provider", "Provider")
    reference = column("payment_reference", "Payment reference")
    cancelled = column("cancelled_at", "Cancelled at")
    refunded = column("refunded_at", "Refunded at")
    source = column("referral_source", "Came from")
    mail = column("email_status", "Ticket mail")
    mailed = column("email_sent_at", "Mailed at")
    checked_in = column("checked_in_at", "Checked in at")
    people = column("admitted", "People in")


# What the columns show of each table, so that nothing else is read fifty thousand times.
ORDER_FIELDS = [
    name
    for field in OrderRows.fields.values()
    if (name := field.attribute) not in ("email_status", "email_sent_at", "checked_in_at", "admitted")
]


def orders(
    *,
    event_id: UUID | None = None,
    status: str = "",
    first_day: date | None = None,
    last_day: date | None = None,
) -> Table:
    """Orders placed on these days, newest first."""
    chosen = _placed(event_id=event_id, status=status, first_day=first_day, last_day=last_day)
    return Table.of(OrderRows, newest_first(chosen.only(*ORDER_FIELDS), "created_at"), chosen.count())


def _placed(
    *, event_id: UUID | None, status: str, first_day: date | None, last_day: date | None
) -> QuerySet[Order, Order]:
    days = on_days("created_at", first_day, last_day)
    return queries.listed(event_id=event_id, status=status).filter(days, is_test=False)


# --- Guests ---------------------------------------------------------------------------------------------------


GUESTS_AT_ONCE = 5_000  # few columns, and each piece goes through all the orders again


class GuestRows(Resource):
    guest = column("name", "Guest")
    email = column("address", "E-mail")
    phone = column("phone", "Phone")
    country = column("country", "Country")
    nationality = column("nationality", "Nationality")
    orders = column("orders", "Paid orders")
    tickets = column("tickets", "Tickets")
    nights = column("nights", "Nights")
    first = column("first", "First order")
    last = column("last", "Last order")


def guests(*, event_id: UUID | None = None, first_day: date | None = None, last_day: date | None = None) -> Table:
    """Whoever paid for an order placed on these days, one row for each address that mail reaches them at, as they
    last wrote themselves. Somebody who left no address has a row for each order."""
    paid: QuerySet[Any, Any] = Order.objects.filter(
        on_days("created_at", first_day, last_day), status=Order.Status.PAID, is_test=False
    ).annotate(address=Lower(Coalesce(F("corrected_email"), F("buyer_email"))))
    if event_id:
        paid = paid.filter(event_id=event_id)
    count = paid.aggregate(
        known=Count("address", distinct=True, filter=~Q(address="")), unknown=Count("pk", filter=Q(address=""))
    )
    return Table.of(GuestRows, _guests(paid), count["known"] + count["unknown"])


def _guests(paid: QuerySet[Any, Any]) -> Iterator[dict[str, Any]]:
    """By address, in pieces that are a query each (`newest_first` says why), then those without."""
    people = paid.exclude(address="").order_by("address").values("address").annotate(**_person())
    piece = people
    while found := list(piece[:GUESTS_AT_ONCE]):
        yield from found
        piece = people.filter(address__gt=found[-1]["address"])
    for order in newest_first(paid.filter(address=""), "created_at"):
        yield {
            "name": order.buyer_name,
            "phone": order.buyer_phone,
            "country": order.buyer_country,
            "nationality": order.buyer_nationality,
            "orders": 1,
            "tickets": order.quantity,
            "nights": 1,
            "first": order.created_at,
            "last": order.created_at,
        }


def _person() -> dict[str, Any]:
    return {
        "name": _latest("buyer_name"),
        "phone": _latest("buyer_phone"),
        "country": _latest("buyer_country"),
        "nationality": _latest("buyer_nationality"),
        "orders": Count("pk"),
        "tickets": Sum("quantity"),
        "nights": Count("event", distinct=True),
        "first": Min("created_at"),
        "last": Max("created_at"),
    }


def _latest(field: str) -> Func:
    """What stood in the latest order that says it."""
    said = ArrayAgg(field, order_by="-created_at", filter=Q(**{f"{field}__gt": ""}))
    return Func(said, template="(%(expressions)s)[1]", output_field=CharField())


# --- Revenue --------------------------------------------------------------------------------------------------


class Money(Resource):
    currency = column("currency", "Currency")
    orders = column("orders", "Orders paid")
    tickets = column("tickets", "Tickets paid")
    sales = column("sales", "Sales")
    adjustments = column("adjustments", "Adjustments")
    refunds = column("refunds", "Refunds")
    earned = column("earned", "Revenue")
    fees = column("fees", "Fees")
    left = column("left", "After fees")


MONEY = tuple(Money.fields)


class MoneyByEvent(Money):
    night = column("night", "Night")
    event = column("event_name", "Event")

    class Meta:
        export_order = ("night", "event", *MONEY)


class MoneyByTier(MoneyByEvent):
    tier = column("tier_name", "Tier")

    class Meta:
        export_order = ("night", "event", "tier", *MONEY)


class MoneyByDay(Money):
    day = column("day", "Day")

    class Meta:
        export_order = ("day", *MONEY)


MONEY_ROWS: dict[str, type[Resource]] = {"event": MoneyByEvent, "tier": MoneyByTier, "day": MoneyByDay}


def revenue(
    *, by: str, event_id: UUID | None = None, first_day: date | None = None, last_day: date | None = None
) -> Table:
    """What was earned, with a row for each night, tier or day and each currency. Few rows: they are read at once."""
    rows = list(figures.earned(by, event_id=event_id, first_day=first_day, last_day=last_day))
    return Table.of(MONEY_ROWS[by], rows, len(rows))
