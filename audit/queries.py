"""What can be asked of the audit. It grows with every order, so nothing here reads all of it."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from uuid import UUID

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from homeproductions import days

from .models import AuditLog

# By name, since the audit imports no other app: the model of an entity, what people call it by, and how that is looked
# up without reading a long table.
NAMES: dict[str, tuple[str, str, str]] = {
    "order": ("orders.Order", "order_number", "startswith"),
    "event": ("events.Event", "name", "icontains"),
    "gallery": ("gallery.Gallery", "title", "icontains"),
    "user": ("accounts.User", "name", "icontains"),
}

# Jumps from one value to the next in the index; DISTINCT would look at every row.
VALUES = """
    WITH RECURSIVE each (value) AS (
        (SELECT {column} FROM audit_logs ORDER BY {column} LIMIT 1)
        UNION ALL
        SELECT (SELECT {column} FROM audit_logs WHERE {column} > value ORDER BY {column} LIMIT 1)
        FROM each WHERE value IS NOT NULL
    )
    SELECT value FROM each WHERE value IS NOT NULL
"""


def actions() -> list[str]:
    return _values("action")


def entity_types() -> list[str]:
    return _values("entity_type")


def _values(column: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(VALUES.format(column=column))
        return [value for (value,) in cursor.fetchall()]


def names_of(entity_type: str, ids: Iterable[UUID]) -> dict[UUID, str]:
    """What people call these entities; nothing for kinds without a name and for those that are gone."""
    if entity_type not in NAMES:
        return {}
    label, field, _ = NAMES[entity_type]
    return dict(_rows(label).filter(pk__in=ids).values_list("pk", field))


def search(logs: QuerySet[AuditLog], text: str) -> QuerySet[AuditLog]:
    """Rows about, or by, what the text names: an id, a day (2026-11-23), an order number, the address or name of a
    user, the name of a night or an album, or (the beginning of) an action."""
    if (found := _as_id(text)) is not None:
        return logs.filter(Q(entity_id=found) | Q(user_id=found))
    if (day := _as_day(text)) is not None:
        return logs.filter(created_at__gte=day, created_at__lt=day + timedelta(days=1))
    called = Q(email__icontains=text) | Q(name__icontains=text)
    users = list(get_user_model()._default_manager.filter(called).values_list("pk", flat=True))
    entities = [pk for names in NAMES.values() for pk in _called(*names, text)]
    words = text.upper().replace(" ", "_")
    return logs.filter(
        Q(entity_id__in=[*users, *entities])
        | Q(user_id__in=users)
        | Q(action__in=[action for action in actions() if action.startswith(words)])
    )


def _called(label: str, field: str, lookup: str, text: str) -> list[UUID]:
    wanted = text.upper() if lookup == "startswith" else text
    return list(_rows(label).filter(**{f"{field}__{lookup}": wanted}).values_list("pk", flat=True)[:100])


def _rows(label: str) -> QuerySet[Model]:
    return apps.get_model(label)._default_manager.order_by()


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _as_day(text: str) -> datetime | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return timezone.make_aware(datetime.combine(day, time.min)) if days.is_ours(day) else None
