"""What was earned, by night, tier or day: sums of the journal, the same that the figures of the office are made of."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from homeproductions.office.exports import on_days

from .journal import EARNINGS
from .models import JournalEntry

Kind = JournalEntry.Kind

# What a row is about, in the order of the rows; two nights may share a name.
NIGHT: dict[str, Any] = {"night": F("event__event_date"), "event_name": F("event__name"), "event_key": F("event_id")}
TIER = {**NIGHT, "place": F("tier__sort_order"), "tier_name": F("tier__name"), "tier_key": F("tier_id")}
DAY = {"day": TruncDate("created_at")}
GROUPS = {"event": NIGHT, "tier": TIER, "day": DAY}


def earned(
    by: str, *, event_id: UUID | None = None, first_day: date | None = None, last_day: date | None = None
) -> QuerySet[Any, dict[str, Any]]:
    """One row for each night, tier or day (`event`, `tier`, `day`) and currency in which money moved.

    A day is the one on which the money was booked, by the house's clock. `earned` is sales, adjustments and refunds
    together; the provider's fees stand beside it, as in all figures.
    """
    money: QuerySet[Any, Any] = JournalEntry.objects.filter(
        on_days("created_at", first_day, last_day), kind__in=(*EARNINGS, Kind.FEE)
    )
    if event_id:
        money = money.filter(event_id=event_id)
    rows = money.values("currency", **GROUPS[by]).order_by(*GROUPS[by], "currency")
    is_sale = Q(kind=Kind.SALE)
    return rows.annotate(
        orders=Count("pk", filter=is_sale),
        tickets=Sum("order__quantity", filter=is_sale, default=0),
        sales=_sum(Kind.SALE),
        adjustments=_sum(Kind.ADJUSTMENT),
        refunds=_sum(Kind.REFUND),
        earned=_sum(*EARNINGS),
        fees=_sum(Kind.FEE),
        left=Sum("amount", default=Decimal(0)),
    )


def _sum(*kinds: str) -> Sum:
    return Sum("amount", filter=Q(kind__in=kinds), default=Decimal(0))
