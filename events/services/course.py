"""The course of a night: published, withdrawn, over, called off, brought back; and the next one like it."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Model
from django.utils import timezone

from accounts.models import User
from audit.services import record
from events.errors import (
    EventNotFound,
    WrongEventStatus,
)
from events.models import Event
from homeproductions import days
from homeproductions.errors import Invalid

from .planning import create_event, lock_event

Status = Event.Status


@transaction.atomic
def publish(event_id: UUID, *, actor: User) -> Event:
    """Show a draft to guests and sell its tickets. Raises EventNotFound, WrongEventStatus, or Invalid when it is
    over already."""
    return _move(_not_over(event_id), (Status.DRAFT,), Status.ACTIVE, actor)


@transaction.atomic
def withdraw(event_id: UUID, *, actor: User) -> Event:
    """Make a night that was published too early a draft again. Raises EventNotFound, or WrongEventStatus also when
    seats are taken: then it can only be cancelled."""
    event = lock_event(event_id)
    if any(tier.sold for tier in event.tiers.select_for_update(no_key=True).order_by("pk")):
        raise WrongEventStatus("There are orders for this night. Cancel it instead.")
    return _move(event, (Status.ACTIVE,), Status.DRAFT, actor)


@transaction.atomic
def complete(event_id: UUID, *, actor: User) -> Event:
    """Close a night that has taken place. Raises EventNotFound, or WrongEventStatus also before it has begun."""
    event = lock_event(event_id)
    if timezone.now() < event.starts_at:
        raise WrongEventStatus("This night has not begun yet.")
    return _move(event, (Status.ACTIVE,), Status.COMPLETED, actor)


@transaction.atomic
def call_off(event_id: UUID, *, actor: User) -> bool:
    """The night will not take place: it goes off sale, and its tickets admit nobody. Its orders stay as they are.
    False when it was off already. Raises EventNotFound, or WrongEventStatus for a night that has taken place."""
    event = lock_event(event_id)
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
    return _move(lock_event(event_id), (Status.DELETED,), Status.DRAFT, actor)


def _not_over(event_id: UUID) -> Event:
    event = lock_event(event_id)
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
