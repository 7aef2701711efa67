"""What can be asked of the outbox: which mails are where, and which need somebody."""

import re
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from .models import MAX_ATTEMPTS, OutboxEmail

Status = OutboxEmail.Status

# A worker that runs takes a mail within seconds of its time, and gives a dead worker's back when the lease ends.
OVERDUE = timedelta(minutes=10)
RETRIED_FOR = timedelta(days=7)

CLOSED = "closed"
STATES = (*Status.values, CLOSED)

ORDER_NUMBER = re.compile(r"HP\d{6}-\w+", re.IGNORECASE)


def failed(emails: QuerySet[OutboxEmail] | None = None) -> QuerySet[OutboxEmail]:
    """Given up, and nobody said that this is well. Mails of test orders do not count, as in the figures."""
    return _real(emails).filter(status=Status.FAILED, closed_at=None)


def by_state() -> dict[str, int]:
    """How many mails there are of each of STATES, those of test orders too: an index alone knows. What was given up
    because nobody wants it any more is closed, not failed."""
    rows = OutboxEmail.objects.order_by().values_list("status").annotate(all=Count("*"), closed=Count("closed_at"))
    counts = dict.fromkeys(STATES, 0)
    for status, count, closed in rows:
        counts[status] = count - closed
        counts[CLOSED] += closed
    return counts


def stuck(emails: QuerySet[OutboxEmail] | None = None) -> QuerySet[OutboxEmail]:
    """Those that should long be on their way, without test orders."""
    return _real(emails).filter(is_stuck(timezone.now()))


def is_stuck(now: datetime) -> Q:
    """The condition for mails that should long be on their way: no worker has taken them, or the one that did is
    gone. A mail that waits for its next try is not stuck."""
    late = now - OVERDUE
    waits = Q(status=Status.PENDING, next_attempt_at__lte=late)
    return waits | Q(status=Status.PROCESSING, lease_until__lte=late)


def looks_stuck(email: OutboxEmail, now: datetime) -> bool:
    """As `is_stuck`, of a mail in hand."""
    late = now - OVERDUE
    if email.status == Status.PENDING:
        return email.next_attempt_at <= late
    return email.status == Status.PROCESSING and email.lease_until is not None and email.lease_until <= late


def retriable(now: datetime) -> QuerySet[OutboxEmail]:
    """Given up of late only because all attempts were used, and not replaced by a newer mail of the kind."""
    newer = OutboxEmail.objects.filter(
        order=OuterRef("order"), email_type=OuterRef("email_type"), created_at__gt=OuterRef("created_at")
    )
    lately = failed().filter(attempts__gte=MAX_ATTEMPTS, last_attempt_at__gte=now - RETRIED_FOR)
    return lately.filter(~Exists(newer)).order_by("created_at")


def search(emails: QuerySet[OutboxEmail], text: str) -> QuerySet[OutboxEmail]:
    """By order number, by id of the mail or its order, or by the beginning of the address. Each has an index."""
    if ORDER_NUMBER.fullmatch(text):
        return emails.filter(order__order_number=text.upper())
    try:
        found = UUID(text)
    except ValueError:
        return emails.filter(recipient_email__istartswith=text)
    return emails.filter(Q(pk=found) | Q(order_id=found))


def _real(emails: QuerySet[OutboxEmail] | None) -> QuerySet[OutboxEmail]:
    return (OutboxEmail.objects.all() if emails is None else emails).exclude(order__is_test=True)
