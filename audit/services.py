"""record(): the one way a change gets its history row."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pgtrigger
from django.db import models
from django.db.models import Q

from homeproductions import origin
from homeproductions.traces import Traces

from .models import AuditLog

APPEND_ONLY = "audit.AuditLog:audit_append_only"


def record(
    action: str,
    entity: models.Model | None = None,
    *,
    actor: models.Model | None = None,
    entity_type: str = "",
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
) -> AuditLog:
    """Add one audit row in the caller's transaction, with the address and agent of the current request.

    `action` is an upper-case verb of the contract (LOGIN, STATUS_CHANGE, CHECKIN). `old` and `new` hold states and
    field names only, never personal data. `entity_type` is needed only when there is no entity.
    """
    row = unsaved(action, entity, actor=actor, entity_type=entity_type, old=old, new=new)
    row.save(force_insert=True)
    return row


def record_all(
    action: str, entities: Iterable[models.Model], *, actor: models.Model | None = None, new: dict[str, Any]
) -> None:
    """`record` for many that all got the same new state, in a few statements."""
    rows = [unsaved(action, entity, actor=actor, new=new) for entity in entities]
    AuditLog.objects.bulk_create(rows, batch_size=1_000)


def unsaved(
    action: str,
    entity: models.Model | None,
    *,
    actor: models.Model | None = None,
    entity_type: str = "",
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
) -> AuditLog:
    """The row that `record` adds, for somebody who inserts it together with others."""
    here = origin.current()
    return AuditLog(
        user_id=actor.pk if actor is not None else None,
        action=action,
        entity_type=entity_type or (entity._meta.model_name if entity is not None else "") or "",
        entity_id=entity.pk if entity is not None and isinstance(entity.pk, UUID) else None,
        old_value=old,
        new_value=new,
        ip_address=here.ip,
        user_agent=here.user_agent,
    )


def forget(entity_ids: Iterable[UUID], traces: Traces, *, everywhere: bool = False) -> int:
    """Take a guest out of the history of these entities: the address and agent of what they did themselves, and every
    old or new value that names them; `everywhere`: also values of other rows that hold one of their addresses. That
    something happened, and when, stays. In the caller's transaction. Returns how many rows were changed.

    The only place that lifts the rule that the audit never changes.
    """
    about = Q(entity_id__in=list(entity_ids))
    with pgtrigger.ignore(APPEND_ONLY):
        theirs = AuditLog.objects.filter(about, user=None)
        blanked = theirs.exclude(ip_address=None, user_agent=None).update(ip_address=None, user_agent=None)
        if everywhere:
            for email in traces.emails:
                about |= Q(old_value__icontains=email) | Q(new_value__icontains=email)
        return blanked + sum(_strip(row, traces) for row in AuditLog.objects.filter(about))


def _strip(row: AuditLog, traces: Traces) -> bool:
    old, new = traces.without(row.old_value), traces.without(row.new_value)
    if (old, new) == (row.old_value, row.new_value):
        return False
    row.old_value, row.new_value = old, new
    row.save(update_fields=["old_value", "new_value"])
    return True
