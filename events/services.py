"""Stock and planning. `take`, `reserve_paid` and `release` are the only code that writes `sold`."""

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from secrets import token_hex
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Model
from django.utils import timezone
from django.utils.text import slugify

from accounts.models import User
from audit.services import record
from homeproductions import days
from homeproductions.errors import Invalid
from homeproductions.statements import run, with_parts

from . import images
from .errors import (
    EventNotActive,
    EventNotFound,
    SaleEnded,
    SaleNotStarted,
    SoldOut,
    TierNotActive,
    TierNotFound,
    WrongEventStatus,
)
from .models import Event, TicketTier

DEFAULT_QUANTITY = 100

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


# --- Planning -----------------------------------------------------------------------------------------------


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
        event = _lock_event(event_id)
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
        event = _lock_event(event_id)
        if event.status == Status.DELETED:
            return
        before, event.status = event.status, Status.DELETED
        event.save(update_fields=["status"])
        record("DELETE", event, actor=actor, old={"name": event.name, "status": before})


def _lock_event(event_id: UUID) -> Event:
    event = Event.objects.select_for_update(no_key=True).filter(pk=event_id).first()
    if event is None:
        raise EventNotFound
    return event


# --- The course of a night ------------------------------------------------------------------------------------


@transaction.atomic
def publish(event_id: UUID, *, actor: User) -> Event:
    """Show a draft to guests and sell its tickets. Raises EventNotFound, WrongEventStatus, or Invalid when it is
    over already."""
    return _move(_not_over(event_id), (Status.DRAFT,), Status.ACTIVE, actor)


@transaction.atomic
def withdraw(event_id: UUID, *, actor: User) -> Event:
    """Make a night that was published too early a draft again. Raises EventNotFound, or WrongEventStatus also when
    seats are taken: then it can only be cancelled."""
    event = _lock_event(event_id)
    if any(tier.sold for tier in event.tiers.select_for_update(no_key=True).order_by("pk")):
        raise WrongEventStatus("There are orders for this night. Cancel it instead.")
    return _move(event, (Status.ACTIVE,), Status.DRAFT, actor)


@transaction.atomic
def complete(event_id: UUID, *, actor: User) -> Event:
    """Close a night that has taken place. Raises EventNotFound, or WrongEventStatus also before it has begun."""
    event = _lock_event(event_id)
    if timezone.now() < event.starts_at:
        raise WrongEventStatus("This night has not begun yet.")
    return _move(event, (Status.ACTIVE,), Status.COMPLETED, actor)


@transaction.atomic
def call_off(event_id: UUID, *, actor: User) -> bool:
    """The night will not take place: it goes off sale, and its tickets admit nobody. Its orders stay as they are.
    False when it was off already. Raises EventNotFound, or WrongEventStatus for a night that has taken place."""
    event = _lock_event(event_id)
    if event.is_off:
        return False
    _move(event, (Status.DRAFT, Status.ACTIVE), Status.CANCELLED, actor)
    return True


@transaction.atomic
def bring_back(event_id: UUID, *, actor: User) -> Event:
    """A cancelled night takes place after all: it is on sale again, and paid tickets admit. Raises EventNotFound,
    WrongEventStatus, or Invalid when it is over already."""
    return _move(_not_over(event_id), (Status.CANCELLED,), Status.ACTIVE, actor)


@transaction.atomic
def restore(event_id: UUID, *, actor: User) -> Event:
    """Make a deleted night a draft. Raises EventNotFound or WrongEventStatus."""
    return _move(_lock_event(event_id), (Status.DELETED,), Status.DRAFT, actor)


def _not_over(event_id: UUID) -> Event:
    event = _lock_event(event_id)
    if timezone.now() >= event.is_over_at:
        raise Invalid("This night is over. Give it another date first.")
    return event


def _move(event: Event, before: tuple[str, ...], after: str, actor: User) -> Event:
    if event.status not in before:
        raise WrongEventStatus(f"This night is {event.status}.")
    record("STATUS_CHANGE", event, actor=actor, old={"status": event.status}, new={"status": after})
    event.status = after
    event.save(update_fields=["status"])
    return event


# What a copy has of its own. Its picture stays that of the first night, which alone may remove it at the host.
NOT_COPIED = {"id", "name", "slug", "event_date", "status", "is_featured", "cloudinary_public_id", "created_by"}
TIER_NOT_COPIED = {"id", "event", "sold", "night_version"}
WINDOW = ("sale_starts_at", "sale_ends_at")


@transaction.atomic
def duplicate(event_id: UUID, *, name: str, night: date, actor: User) -> Event:
    """A draft like this night on another date, with all its tiers unsold and their sale windows moved along.
    Raises EventNotFound, or Invalid when it or its sale would be far outside of our time."""
    event = Event.objects.filter(pk=event_id).first()
    if event is None:
        raise EventNotFound
    if not days.is_ours(night):
        raise Invalid(days.OUTSIDE)
    later = night - event.event_date
    tiers = [
        _content(tier, TIER_NOT_COPIED) | {name: _moved(getattr(tier, name), later) for name in WINDOW}
        for tier in event.tiers.order_by("sort_order", "created_at", "id")
    ]
    return create_event({**_content(event, NOT_COPIED), "name": name, "event_date": night}, tiers, actor=actor)


def _content(row: Model, left_out: Iterable[str]) -> dict[str, Any]:
    names = (field.name for field in row._meta.concrete_fields)
    return {name: getattr(row, name) for name in names if name not in {*left_out, "created_at", "updated_at"}}


def _moved(moment: datetime | None, by: timedelta) -> datetime | None:
    """The same time on the wall of the venue, so many days later, whatever the clocks did in between."""
    if moment is None:
        return None
    return timezone.make_aware(timezone.make_naive(moment) + by)


# --- For all of them ------------------------------------------------------------------------------------------


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
