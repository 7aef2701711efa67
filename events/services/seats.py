"""Stock: `take`, `reserve_paid` and `release` are the only code that writes `sold`."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import F, Model

from events.errors import (
    EventNotActive,
    SaleEnded,
    SaleNotStarted,
    SoldOut,
    TierNotActive,
    TierNotFound,
)
from events.models import Event, TicketTier
from homeproductions.errors import Invalid
from homeproductions.statements import run, with_parts

Status = Event.Status


def check_on_sale(tier: TicketTier, quantity: int, *, now: datetime) -> None:
    """All rules of selling in one place, for the first look and again under the lock.

    Raises EventNotActive, TierNotActive, SaleNotStarted, SaleEnded, Invalid (more than `max_per_order`) or SoldOut.
    """
    check_is_offered(tier)
    if tier.sale_starts_at and now < tier.sale_starts_at:
        raise SaleNotStarted
    if (tier.sale_ends_at and now >= tier.sale_ends_at) or now >= tier.event.is_over_at:
        raise SaleEnded
    if quantity > tier.max_per_order:
        raise Invalid(f"quantity: at most {tier.max_per_order} tickets per order.")
    if tier.available < quantity:
        raise SoldOut(available=tier.available)


def check_is_offered(tier: TicketTier) -> None:
    """Raises EventNotActive or TierNotActive."""
    if tier.event.status != Status.ACTIVE:
        raise EventNotActive
    if not tier.is_active:
        raise TierNotActive


def take(seen: TicketTier, quantity: int, *rows: Model) -> datetime | None:
    """Take `quantity` seats of the tier and insert `rows` about it, in one statement: the tier's lock, the one thing
    that two sales of a tier wait for, is then held for no round trip at all.

    Returns the database's time. None, and nothing has happened: there are fewer seats left, or the tier or its night
    is not what the caller has `seen` (both by one statement) and checked any more. Call it last in a transaction.
    """
    first = (TAKE, [quantity, seen.pk, quantity, *(getattr(seen, name) for name in TIER_AS_SEEN)])
    sql, values = with_parts(first, "taken", list(rows), "statement_timestamp()")
    found = run(sql, values)
    return found[0] if found else None


def taking(as_seen: Collection[str]) -> str:
    """The UPDATE waits for the row's lock (FOR NO KEY UPDATE) and then looks at the row again before it changes it.
    At this row only: of another table it would still see what was there before it waited."""
    return f"""
        UPDATE ticket_tiers SET sold = sold + %s
        WHERE id = %s AND sold + %s <= quantity
          AND ({", ".join(as_seen)}) IS NOT DISTINCT FROM ({", ".join(["%s"] * len(as_seen))})
        RETURNING id
    """  # noqa: S608 (names from below)


# What `check_on_sale` looks at besides the stock: rules are said there, and here is only what must not have changed.
TIER_AS_SEEN = (
    *("price", "currency", "is_active", "max_per_order", "sale_starts_at", "sale_ends_at"),
    "night_version",  # stands for the night's status, date and time
)
TAKE = taking(TIER_AS_SEEN)


def reserve_paid(tier_id: UUID, quantity: int, *, now: datetime) -> TicketTier:
    """Take seats for somebody whose money is here already: today's window, order limit and price do not concern them,
    but there must be seats left, and a night to come. Raises EventNotActive, SaleEnded or SoldOut."""
    locked = lock_tier(tier_id)
    if locked.event.status != Status.ACTIVE:
        raise EventNotActive
    if now >= locked.event.is_over_at:
        raise SaleEnded
    if locked.available < quantity:
        raise SoldOut(available=locked.available)
    TicketTier.objects.filter(pk=tier_id).update(sold=F("sold") + quantity)
    return locked


def release(tier_id: UUID, quantity: int) -> None:
    """Give `quantity` seats back. A second release for the same order would fail on the stock constraint or show
    in `doctor`; the caller's guarded status change makes sure it happens once."""
    TicketTier.objects.filter(pk=tier_id).update(sold=F("sold") - quantity)


def lock_tier(tier_id: UUID) -> TicketTier:
    """The tier's row lock: the one thing two sales of a tier wait for. Inserting an order does not need it. Its night
    is read afterwards: joined, it would be as it was before the wait."""
    tier = TicketTier.objects.select_for_update(no_key=True).filter(pk=tier_id).first()
    if tier is None:
        raise TierNotFound  # removed while we waited for it
    return tier
