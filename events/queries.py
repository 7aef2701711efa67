"""What can be asked about nights."""

from datetime import datetime
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from .errors import EventNotFound
from .models import LONGEST_NIGHT, Event, TicketTier

# Guests may look at nights that are over or off, never at drafts.
VISIBLE = (Event.Status.ACTIVE, Event.Status.COMPLETED, Event.Status.CANCELLED)


def on_sale() -> QuerySet[Event]:
    """Active nights with their active tiers, next night first."""
    return _with_active_tiers(Event.objects.filter(status=Event.Status.ACTIVE)).order_by("event_date", "-created_at")


def coming(now: datetime) -> list[Event]:
    """Active nights that are not over, the next one first: last night's too, while it lasts."""
    earliest = timezone.localdate(now - LONGEST_NIGHT)
    nights = Event.objects.filter(status=Event.Status.ACTIVE, event_date__gte=earliest)
    ordered = nights.order_by("event_date", "event_time", "name")
    return [night for night in ordered if night.is_over_at > now]


def visible_event(reference: str) -> Event:
    """One night by id or slug. Raises EventNotFound, also for drafts and deleted ones."""
    lookup = {"pk": as_uuid(reference)} if as_uuid(reference) else {"slug": reference.lower()}
    event = _with_active_tiers(Event.objects.filter(status__in=VISIBLE, **lookup)).first()
    if event is None:
        raise EventNotFound
    return event


def as_uuid(text: str) -> UUID | None:
    """A UUID written the usual way with hyphens, or None."""
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None


def _with_active_tiers(events: QuerySet[Event]) -> QuerySet[Event]:
    tiers = TicketTier.objects.filter(is_active=True).order_by("sort_order", "created_at", "id")
    return events.prefetch_related(Prefetch("tiers", tiers))


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
