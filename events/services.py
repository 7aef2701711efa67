"""Stock. `reserve` and `release` are the only code that writes `sold`."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F

from homeproductions.errors import Invalid

from .errors import EventNotActive, SaleEnded, SaleNotStarted, SoldOut, TierNotActive, TierNotFound
from .models import Event, TicketTier

# Guests still buy at the door; after this the night is over, whatever its status says.
SALE_ENDS_AFTER_START = timedelta(hours=12)


def find_tier(event_id: UUID, tier_id: UUID) -> TicketTier:
    """The tier with its event, unlocked: good for a first look, not for selling. Raises TierNotFound."""
    tier = TicketTier.objects.select_related("event").filter(pk=tier_id, event_id=event_id).first()
    if tier is None:
        raise TierNotFound
    return tier


def check_on_sale(tier: TicketTier, quantity: int, *, now: datetime) -> None:
    """All rules of selling in one place, for the first look and again under the lock.

    Raises EventNotActive, TierNotActive, SaleNotStarted, SaleEnded, Invalid (more than `max_per_order`) or SoldOut.
    """
    if tier.event.status != Event.Status.ACTIVE:
        raise EventNotActive
    if not tier.is_active:
        raise TierNotActive
    if tier.sale_starts_at and now < tier.sale_starts_at:
        raise SaleNotStarted
    if (tier.sale_ends_at and now >= tier.sale_ends_at) or now >= tier.event.starts_at + SALE_ENDS_AFTER_START:
        raise SaleEnded
    if quantity > tier.max_per_order:
        raise Invalid(f"quantity: at most {tier.max_per_order} tickets per order.")
    if tier.available < quantity:
        raise SoldOut(available=tier.available)


def reserve(tier_id: UUID, quantity: int, *, now: datetime) -> TicketTier:
    """Take `quantity` seats of the tier, or raise why not. Call it last in a transaction: it takes the tier's lock.

    Returns the tier as it was under the lock, so that price and currency are those of this moment.
    """
    locked = lock_tier(tier_id)
    check_on_sale(locked, quantity, now=now)
    TicketTier.objects.filter(pk=tier_id).update(sold=F("sold") + quantity)
    return locked


def release(tier_id: UUID, quantity: int) -> None:
    """Give `quantity` seats back. A second release for the same order would fail on the stock constraint or show
    in `doctor`; the caller's guarded status change makes sure it happens once."""
    TicketTier.objects.filter(pk=tier_id).update(sold=F("sold") - quantity)


def lock_tier(tier_id: UUID) -> TicketTier:
    """The tier's row lock: the one thing two sales of a tier wait for. Inserting an order does not need it."""
    tiers = TicketTier.objects.select_related("event").select_for_update(of=("self",), no_key=True)
    return tiers.get(pk=tier_id)
