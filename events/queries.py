"""What can be asked about nights."""

from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS
from django.db.models import FilteredRelation, Prefetch, Q, QuerySet
from django.utils import timezone

from homeproductions.memory import Memory

from .errors import EventNotFound, TierNotFound
from .models import LONGEST_NIGHT, Event, TicketTier

# Guests may look at nights that are over or off, never at drafts.
VISIBLE = (Event.Status.ACTIVE, Event.Status.COMPLETED, Event.Status.CANCELLED)


def on_sale() -> list[Event]:
    """Active nights with their active tiers, next night first."""
    return _with_active_tiers(Event.objects.filter(status=Event.Status.ACTIVE), "event_date", "-created_at")


def coming(now: datetime) -> list[Event]:
    """Active nights that are not over, the next one first: last night's too, while it lasts."""
    earliest = timezone.localdate(now - LONGEST_NIGHT)
    nights = Event.objects.filter(status=Event.Status.ACTIVE, event_date__gte=earliest)
    ordered = nights.order_by("event_date", "event_time", "name")
    return [night for night in ordered if night.is_over_at > now]


def visible_event(reference: str) -> Event:
    """One night by id or slug. Raises EventNotFound, also for drafts and deleted ones."""
    lookup = {"pk": as_uuid(reference)} if as_uuid(reference) else {"slug": reference.lower()}
    found = _with_active_tiers(Event.objects.filter(status__in=VISIBLE, **lookup))
    if not found:
        raise EventNotFound
    return found[0]


def find_tier(event_id: UUID, tier_id: UUID) -> TicketTier:
    """The tier with its event, unlocked: good for a first look, not for selling. Raises TierNotFound."""
    tier = TicketTier.objects.select_related("event").filter(pk=tier_id, event_id=event_id).first()
    if tier is None:
        raise TierNotFound
    return tier


def look(event_id: UUID, tier_id: UUID, *, anew: bool = False) -> TicketTier:
    """`find_tier` as this process last saw it, at most a second ago; `anew`: now. Shared by all: never change it."""
    recall = _looks.renew if anew else _looks.get
    return recall((event_id, tier_id), lambda: find_tier(event_id, tier_id))


_looks: Memory[TicketTier] = Memory()


def as_uuid(text: str) -> UUID | None:
    """A UUID written the usual way with hyphens, or None."""
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None


def _with_active_tiers(events: QuerySet[Event], *order: str) -> list[Event]:
    """The nights in this order, `tiers` of each holding the active ones in theirs; all in one query."""
    joined = events.annotate(tier=FilteredRelation("tiers", condition=Q(tiers__is_active=True)))
    names = (*EVENT_FIELDS, *(f"tier__{name}" for name in TIER_FIELDS))
    rows = joined.order_by(*order, "id", "tier__sort_order", "tier__created_at", "tier__id").values_list(*names)
    return [_night(list(group)) for _, group in groupby(rows, itemgetter(0))]


EVENT_FIELDS = tuple(field.attname for field in Event._meta.concrete_fields)
TIER_FIELDS = tuple(field.attname for field in TicketTier._meta.concrete_fields)


def _night(rows: list[tuple[Any, ...]]) -> Event:
    """One night from its rows: each has the night, then a tier (or nothing)."""
    split = len(EVENT_FIELDS)
    event = Event.from_db(DEFAULT_DB_ALIAS, EVENT_FIELDS, rows[0][:split])
    tiers = TicketTier.objects.all()
    # As a prefetch leaves them.
    tiers._result_cache = [
        TicketTier.from_db(DEFAULT_DB_ALIAS, TIER_FIELDS, row[split:]) for row in rows if row[split] is not None
    ]
    vars(event)["_prefetched_objects_cache"] = {"tiers": tiers}
    return event


def planned(*, status: str = "", search: str = "", include_deleted: bool = False) -> QuerySet[Event]:
    """Nights for the office with all their tiers, latest night first. An unknown status finds nothing."""
    events = Event.objects.prefetch_related(all_tiers())
    if status and status != "all":
        events = events.filter(status=status)
    elif not include_deleted:
        events = events.exclude(status=Event.Status.DELETED)
    if search:
        events = events.filter(Q(name__icontains=search) | Q(venue__icontains=search) | Q(location__icontains=search))
    return events.order_by("-event_date", "-created_at")


def all_tiers() -> Prefetch:
    """Of each night, on sale or not, in the order of the night."""
    return Prefetch("tiers", TicketTier.objects.order_by("sort_order", "created_at", "id"))


def planned_event(reference: str) -> Event:
    """One night of any status, by id. Raises EventNotFound."""
    event_id = as_uuid(reference)
    event = planned(include_deleted=True).filter(pk=event_id).first() if event_id else None
    if event is None:
        raise EventNotFound
    return event
