"""Whose turn it is: each due mail is claimed by one worker at a time, and what became of it is written once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from homeproductions.reading import columns, made_of
from homeproductions.statements import rows

from .models import MAX_ATTEMPTS, OutboxEmail

Status = OutboxEmail.Status

# Longer than the slowest single mail: each step of an SMTP dialogue may take EMAIL_TIMEOUT seconds.
LEASE = timedelta(seconds=120)
GAVE_UP = f"gave up after {MAX_ATTEMPTS} attempts"
CLOSED = "closed"  # what became of a mail whose reason was gone when its turn came

# What became of the last mail is written, if this claim of it still holds (whoever ends one empties the lease, and the
# lease tells apart two claims with the same number of attempts), and the next are claimed: one round trip and one
# commit for each mail, and row locks that last exactly as long as they are needed. Writing comes first, since the claim
# asks about it: whoever waits for the last mail must not hold the next. MATERIALIZED keeps the planner from running the
# inner query again and claiming more than the limit.
TURN = """
    WITH written AS (
        UPDATE email_outbox
        SET status = %(status)s, lease_until = NULL, sent_at = %(sent_at)s, closed_at = %(closed_at)s,
            error_message = %(error_message)s, next_attempt_at = coalesce(%(next_attempt_at)s, next_attempt_at)
        WHERE id = %(id)s AND attempts = %(attempts)s AND lease_until = %(held_until)s
        RETURNING id
    ), due AS MATERIALIZED (
        SELECT id FROM email_outbox
        WHERE (SELECT count(*) FROM written) >= 0
          AND status = 'pending' AND next_attempt_at <= %(now)s AND attempts < %(max_attempts)s
        ORDER BY next_attempt_at
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE email_outbox AS email
        SET status = 'processing', attempts = email.attempts + 1,
            last_attempt_at = %(now)s, lease_until = %(lease_until)s
        FROM due
        WHERE email.id = due.id
        RETURNING email.*
    )
    SELECT EXISTS (SELECT FROM written), {columns}
    FROM (SELECT) AS once LEFT JOIN claimed ON true
    ORDER BY claimed.next_attempt_at
"""


@dataclass(frozen=True)
class Result:
    """What became of a mail that was claimed."""

    email: OutboxEmail
    status: str
    error_message: str | None = None
    sent_at: datetime | None = None
    closed_at: datetime | None = None
    next_attempt_at: datetime | None = None  # None leaves it as it was

    @property
    def outcome(self) -> str:
        return CLOSED if self.closed_at else self.status


NO_RESULT = Result(OutboxEmail(id=None), "")


def claim(limit: int = 1) -> list[OutboxEmail]:
    """Take up to `limit` due mails, oldest first, for LEASE. No other worker gets them meanwhile.

    The attempt is counted here: a mail that kills its worker must not be tried for ever.
    """
    return turn(NO_RESULT, limit=limit)[1]


def turn(result: Result, *, limit: int) -> tuple[bool, list[OutboxEmail]]:
    """Write a result, and claim. Returns whether the result counts (somebody else decides about a mail that was taken
    away from us; nothing is written then), and the claimed mails."""
    email, now = result.email, timezone.now()
    mine = {**vars(result), "id": email.pk, "attempts": email.attempts, "held_until": email.lease_until}
    mine |= {"now": now, "lease_until": now + LEASE, "limit": limit, "max_attempts": MAX_ATTEMPTS}
    found = rows(TURN.format(columns=columns(OutboxEmail, "claimed")), mine)
    return found[0][0], [made_of(OutboxEmail, row[1:]) for row in found if row[1] is not None]


def next_turn(result: Result, *, limit: int) -> tuple[bool, list[OutboxEmail]]:
    """`turn`, but that a mail has left is written also when the next cannot be claimed."""
    try:
        return turn(result, limit=limit)
    except OperationalError:
        connection.close_if_unusable_or_obsolete()
        return turn(result, limit=0)


@transaction.atomic
def take_back() -> int:
    """Let the mails wait again whose worker vanished, and close those that have had their last attempt. Returns how
    many were closed."""
    lapsed = _unlocked(status=Status.PROCESSING, lease_until__lte=timezone.now())
    lapsed.update(status=Status.PENDING, lease_until=None)
    exhausted = _unlocked(status=Status.PENDING, attempts__gte=MAX_ATTEMPTS)
    return exhausted.update(status=Status.FAILED, error_message=GAVE_UP)


def _unlocked(**conditions: Any) -> QuerySet[OutboxEmail]:
    """The mails that nobody else changes at this moment."""
    found = OutboxEmail.objects.select_for_update(skip_locked=True).filter(**conditions)
    return OutboxEmail.objects.filter(pk__in=found.values("pk"))
