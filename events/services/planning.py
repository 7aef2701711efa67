"""Nights and their tiers as the office wants them."""

from collections.abc import Collection
from datetime import date
from secrets import token_hex
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Model
from django.utils.text import slugify

from accounts.models import User
from audit.services import record
from events import images
from events.errors import (
    EventNotFound,
)
from events.models import Event, TicketTier
from homeproductions import days
from homeproductions.errors import Invalid

DEFAULT_QUANTITY = 100

Status = Event.Status


def create_event(data: dict[str, Any], tiers: list[dict[str, Any]], *, actor: User) -> Event:
    """A new night with its tiers in the given order. Raises Invalid when a tier lacks its name or price."""
    with transaction.atomic():
        event = _insert({**data, "created_by": actor})
        for position, tier in enumerate(tiers):
            _add_tier(event, tier, position)
        record("CREATE", event, actor=actor, new=_summary(event))
    return event


def _insert(data: dict[str, Any]) -> Event:
    slug = free_slug(data["name"], data["event_date"])
    try:
        with transaction.atomic():
            return Event.objects.create(**data, slug=slug)
    except IntegrityError:  # somebody else took it between the look and now; anything else fails again
        return Event.objects.create(**data, slug=_another(slug))


def update_event(
    event_id: UUID,
    data: dict[str, Any],
    tiers: list[dict[str, Any]] | None,
    *,
    actor: User,
    removed: Collection[UUID] | None = None,
    keep_prices: bool = False,
) -> Event:
    """Change what `data` names and keep the rest. With `tiers`, they become the tiers of the night, in that order:
    those with a known id are changed, others added, and those not listed removed (deactivated when they have
    orders). With `removed`, only those are, so that a tier which somebody else has just added stays. With
    `keep_prices`, a tier that was ordered keeps its price. Raises EventNotFound or Invalid."""
    with transaction.atomic():
        event = lock_event(event_id)
        shown = images.held(event)
        if data.get("image_url", event.image_url) != event.image_url:
            data = {"cloudinary_public_id": None, **data}  # it named the picture before
        changed = _assign(event, data)
        if changed:
            event.save(update_fields=list(changed))
            _record_change(event, changed, actor)
        if images.held(event) != shown:
            images.discard_later(shown)
        if tiers is not None:
            _replace_tiers(event, tiers, actor, removed, keep_prices=keep_prices)
    return event


def delete_event(event_id: UUID, *, actor: User) -> None:
    """Hide the night for good; its orders stay. Saying it twice changes nothing more. Raises EventNotFound."""
    with transaction.atomic():
        event = lock_event(event_id)
        if event.status == Status.DELETED:
            return
        before, event.status = event.status, Status.DELETED
        event.save(update_fields=["status"])
        record("DELETE", event, actor=actor, old={"name": event.name, "status": before})


def lock_event(event_id: UUID) -> Event:
    event = Event.objects.select_for_update(no_key=True).filter(pk=event_id).first()
    if event is None:
        raise EventNotFound
    return event


def _summary(event: Event) -> dict[str, str]:
    return {"name": event.name, "location": event.location, "date": str(event.event_date)}


def free_slug(name: str, night: date) -> str:
    """`luna-llena-2027-02-14`, with a few random letters when that is taken."""
    slug = f"{slugify(name)[:200] or 'night'}-{night:%Y-%m-%d}"
    return _another(slug) if Event.objects.filter(slug=slug).exists() else slug


def _another(slug: str) -> str:
    return f"{slug}-{token_hex(3)}"


def _replace_tiers(
    event: Event,
    wanted: list[dict[str, Any]],
    actor: User,
    removed: Collection[UUID] | None,
    *,
    keep_prices: bool,
) -> None:
    # In one order for everybody, so that two such updates and the sales between them cannot deadlock.
    locked = event.tiers.select_for_update(no_key=True).order_by("pk")
    present: dict[UUID | None, TicketTier] = {tier.pk: tier for tier in locked}
    ids = [data["id"] for data in wanted if data.get("id")]
    if len(ids) != len(set(ids)):
        raise Invalid("tiers: the same tier stands in the list twice.")
    for position, data in enumerate(wanted):
        tier = present.pop(data.get("id"), None)
        if tier is None:
            tier = _add_tier(event, data, position)
            record("CREATE", tier, actor=actor, new={"name": tier.name, "price": str(tier.price)})
        else:
            if keep_prices:
                _refuse_new_price(tier, data)
            _change_tier(tier, {**_without_id(data), "sort_order": position}, actor)
    for tier in present.values():
        if removed is None or tier.pk in removed:
            _remove_tier(tier, actor)


def _add_tier(event: Event, data: dict[str, Any], position: int) -> TicketTier:
    if not data.get("name") or data.get("price") is None:
        raise Invalid(f"tiers[{position}]: name and price are required.")
    values = {"quantity": DEFAULT_QUANTITY, **_without_id(data), "sort_order": position}
    tier = TicketTier(event=event, **values)
    _check_window(tier)
    tier.save()
    return tier


def _change_tier(tier: TicketTier, data: dict[str, Any], actor: User) -> None:
    if data.get("quantity", tier.quantity) < tier.sold:
        raise Invalid(f"{tier.name}: {tier.sold} are taken already (sold and held); the quantity cannot be lower.")
    changed = _assign(tier, data)
    _check_window(tier)
    if not changed:
        return
    tier.save(update_fields=list(changed))
    if set(changed) != {"sort_order"}:
        _record_change(tier, changed, actor)


def _refuse_new_price(tier: TicketTier, data: dict[str, Any]) -> None:
    changes = any(data.get(name, getattr(tier, name)) != getattr(tier, name) for name in ("price", "currency"))
    if changes and tier.has_orders():
        raise Invalid(f"{tier.name}: there are orders at {tier.price} {tier.currency}. Add a tier for another price.")


def _check_window(tier: TicketTier) -> None:
    if not all(days.is_in_our_days(moment) for moment in (tier.sale_starts_at, tier.sale_ends_at) if moment):
        raise Invalid(f"{tier.name}: the sale must begin and end between the years 2000 and 2100.")
    if tier.sale_starts_at and tier.sale_ends_at and tier.sale_ends_at <= tier.sale_starts_at:
        raise Invalid(f"{tier.name}: the sale must end after it starts.")
    if tier.sale_starts_at and tier.sale_starts_at >= tier.event.is_over_at:
        raise Invalid(f"{tier.name}: the sale begins when the night is over.")


def _remove_tier(tier: TicketTier, actor: User) -> None:
    """Orders keep their tier for ever, whatever became of them; then it only goes off sale."""
    if not tier.has_orders():
        record("DELETE", tier, actor=actor, old={"name": tier.name})
        tier.delete()
    elif tier.is_active:
        tier.is_active = False
        tier.save(update_fields=["is_active"])
        record("UPDATE", tier, actor=actor, old={"is_active": True}, new={"is_active": False})


def _assign(row: Model, data: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Set the fields and return those that really changed, with their value before and after."""
    changed = {name: (getattr(row, name), value) for name, value in data.items() if getattr(row, name) != value}
    for name, (_, value) in changed.items():
        setattr(row, name, value)
    return changed


def _without_id(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name != "id"}


def _record_change(row: Model, changed: dict[str, tuple[Any, Any]], actor: User) -> None:
    old = {name: _plain(before) for name, (before, _) in changed.items()}
    new = {name: _plain(after) for name, (_, after) in changed.items()}
    record("UPDATE", row, actor=actor, old=old, new=new)


def _plain(value: Any) -> Any:
    """The value as an audit row can hold it."""
    return value if isinstance(value, str | int | bool | list | None) else str(value)
