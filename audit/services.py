"""record(): the one way a change gets its history row."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import pgtrigger
from django.db import models
from django.db.models import Q

from homeproductions import origin
from homeproductions.traces import NOBODY, Traces

from .models import AuditLog

APPEND_ONLY = "audit.AuditLog:audit_append_only"
# What stands under these is a word, an id, a number or a sentence of this system, never what somebody typed.
OURS = {
    "admitted",
    "answer",
    "asked",
    "attempts",
    "by",
    "days",
    "event_id",
    "first_day",
    "format",
    "is_active",
    "is_corrected",
    "kind",
    "last_day",
    "needs_review",
    "order",
    "outcome",
    "provider",
    "quantity",
    "reason",
    "rows",
    "source",
    "state",
    "status",
    "type",
    "version",
    "what",
    "with_contacts",
}


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


def forget(called: Mapping[UUID, Traces], *, everywhere: Traces = NOBODY) -> int:
    """Take guests out of the history of these entities: the address and agent of what they did themselves, and every
    old or new value that names the guest of that entity; `everywhere`: also values of other rows that hold one of these
    addresses. That something happened, when, and all that stands under a key of `OURS`, stays. In the caller's
    transaction. Returns how many rows were changed.

    The only place that lifts the rule that the audit never changes.
    """
    about = Q(entity_id__in=list(called))
    with pgtrigger.ignore(APPEND_ONLY):
        theirs = AuditLog.objects.filter(about, user=None)
        blanked = theirs.exclude(ip_address=None, user_agent=None).update(ip_address=None, user_agent=None)
        for email in everywhere.emails:
            about |= Q(old_value__icontains=email) | Q(new_value__icontains=email)
        rows = AuditLog.objects.filter(about)
        return blanked + sum(_strip(row, _called(row, called, everywhere)) for row in rows)


def _called(row: AuditLog, called: Mapping[UUID, Traces], everywhere: Traces) -> Traces:
    own = called.get(row.entity_id) if row.entity_id is not None else None
    return everywhere.addresses if own is None else own


def _strip(row: AuditLog, traces: Traces) -> bool:
    old, new = (traces.without(value, ours=OURS) for value in (row.old_value, row.new_value))
    if (old, new) == (row.old_value, row.new_value):
        return False
    row.old_value, row.new_value = old, new
    row.save(update_fields=["old_value", "new_value"])
    return True
