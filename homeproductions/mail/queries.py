"""What can be asked about the outbox."""

from datetime import datetime, timedelta

from django.db.models import Q

from .models import OutboxEmail

Status = OutboxEmail.Status
# A worker that runs takes a mail within seconds of its time, and gives a dead worker's back when the lease ends.
OVERDUE = timedelta(minutes=10)


def is_stuck(now: datetime) -> Q:
    """The condition for mails that should long be on their way: no worker has taken them, or the one that did is
    gone. A mail that waits for its next try is not stuck."""
    late = now - OVERDUE
    waits = Q(status=Status.PENDING, next_attempt_at__lte=late)
    return waits | Q(status=Status.PROCESSING, lease_until__lte=late)
