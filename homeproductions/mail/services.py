"""The outbox: mail is promised in the transaction of its cause and delivered later, at least once.

Between the mail server's "OK" and our note of it a worker may die. The mail then goes out again with the same
Message-ID and the same content, which is harmless; a mail that never goes out is not.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import formataddr, parseaddr
from smtplib import SMTPException
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection
from django.core.validators import validate_email
from django.db import OperationalError, connection, models, transaction
from django.db.models import QuerySet
from django.utils import timezone

from homeproductions.house import house
from homeproductions.reading import columns, made_of
from homeproductions.statements import Part, change, insert_or_ignore, rows

from .errors import NotWanted, ServerAway, Unsendable, in_words, is_final
from .models import MAX_ATTEMPTS, OutboxEmail
from .registry import render

logger = structlog.get_logger(__name__)

Status = OutboxEmail.Status

# Over one connection: some servers take no more. Meanwhile the other chores of the worker wait.
BATCH_SIZE = 50
LONGEST_BATCH = 10  # seconds
# Longer than the slowest single mail: each step of an SMTP dialogue may take EMAIL_TIMEOUT seconds.
LEASE = timedelta(seconds=120)
PACE = timedelta(seconds=2)  # between mails that were promised all at once
RETRY_DELAYS = [timedelta(minutes=minutes) for minutes in (1, 10, 60, 360)]
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


# --- Promise -----------------------------------------------------------------------------------------------


def queue(
    kind: str,
    *,
    order: models.Model | None = None,
    recipient: str,
    subject: str,
    context: dict[str, Any] | None = None,
) -> OutboxEmail:
    """Promise a mail in the caller's transaction; it leaves when that commits.

    An order has at most one open mail of a kind. Queueing again while one waits makes that one due at once, with the
    new recipient, subject and context and all its attempts; one that is being sent right now is left alone.
    """
    email = _new(kind, order, recipient, subject, context)
    while not insert_or_ignore(email):
        twin = _hurry_open_twin(email)
        if twin:
            return twin
        # The open one was finished between the two statements, so there is room now.
    return email


def first(kind: str, *, order: models.Model, recipient: str, subject: str) -> OutboxEmail:
    """The unsaved mail for an order that has none of this kind yet: to be inserted together with the order, or with
    the change that is its reason."""
    return _new(kind, order, recipient, subject, None)


def queue_slowly(kind: str, mails: Iterable[tuple[str, dict[str, Any]]], *, subject: str) -> None:
    """Promise many mails at once, each with its recipient and context, that leave one after the other: a ticket that
    is bought meanwhile must not wait behind all of them."""
    now = timezone.now()
    emails = [_new(kind, None, recipient, subject, context) for recipient, context in mails]
    for place, email in enumerate(emails):
        email.next_attempt_at = now + place * PACE
    OutboxEmail.objects.bulk_create(emails, batch_size=1_000)


def _new(
    kind: str, order: models.Model | None, recipient: str, subject: str, context: dict[str, Any] | None
) -> OutboxEmail:
    return OutboxEmail(
        order_id=order.pk if order else None,
        email_type=kind,
        recipient_email=recipient,
        subject=one_line(subject)[:500],
        context=context or {},
    )


@transaction.atomic
def _hurry_open_twin(email: OutboxEmail) -> OutboxEmail | None:
    assert email.order_id is not None  # mails without an order never collide
    twin = (
        OutboxEmail.objects.select_for_update()
        .filter(order_id=email.order_id, email_type=email.email_type, status__in=OutboxEmail.OPEN)
        .first()
    )
    if twin and twin.status == Status.PENDING:
        twin.attempts, twin.next_attempt_at, twin.error_message = 0, timezone.now(), None
        twin.recipient_email, twin.subject, twin.context = email.recipient_email, email.subject, email.context
        twin.save(
            update_fields=[
                "attempts",
                "next_attempt_at",
                "error_message",
                "recipient_email",
                "subject",
                "context",
            ]
        )
    return twin


def close_open(order: models.Model, *, kinds: Iterable[str] | None = None, reason: str) -> int:
    """Give up the order's open mails, in the transaction that took their reason away. Returns how many there were.

    A worker that is sending one of them at this moment can no longer write its result; that mail may still arrive.
    """
    return change(*closing(order, kinds=kinds, reason=reason))


def closing(order: models.Model, *, kinds: Iterable[str] | None = None, reason: str) -> Part:
    """`close_open` as a part of the statement that takes the mails' reason away."""
    values = [Status.FAILED.value, timezone.now(), reason, order.pk, [status.value for status in OutboxEmail.OPEN]]
    if kinds is None:
        return CLOSE, values
    return f"{CLOSE} AND email_type = ANY(%s)", [*values, [str(kind) for kind in kinds]]


CLOSE = """
    UPDATE email_outbox SET status = %s, closed_at = %s, lease_until = NULL, error_message = %s
    WHERE order_id = %s AND status = ANY(%s)"""


def one_line(text: str) -> str:
    """The text without line breaks, which would let it forge mail headers."""
    return " ".join(text.split())


# --- Claim -------------------------------------------------------------------------------------------------


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


def _turn(result: Result, *, limit: int) -> tuple[bool, list[OutboxEmail]]:
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


# --- Deliver -----------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What became of the mails of one run."""

    sent: int = 0
    retried: int = 0
    failed: int = 0
    closed: int = 0
    more: bool = False  # there may be more that is due now

    def count(self, outcome: str | None) -> None:
        """Add one mail by what became of it; None is a mail that somebody else now decides about."""
        self.sent += outcome == Status.SENT
        self.retried += outcome == Status.PENDING
        self.failed += outcome == Status.FAILED
        self.closed += outcome == CLOSED

    def __bool__(self) -> bool:
        return bool(self.sent or self.retried or self.failed or self.closed)

    def __str__(self) -> str:
        closed = f", no longer wanted {self.closed}" if self.closed else ""
        return f"sent {self.sent}, to be retried {self.retried}, failed {self.failed}{closed}"


def process_due(keep_going: Callable[[], bool] = lambda: True) -> Tally:
    """Deliver everything that is due now."""
    total = Tally(more=True)
    while total.more:
        batch = process_batch(keep_going)
        total.sent += batch.sent
        total.retried += batch.retried
        total.failed += batch.failed
        total.closed += batch.closed
        total.more = batch.more
    return total


def process_batch(keep_going: Callable[[], bool] = lambda: True) -> Tally:
    """Deliver due mails over one connection, BATCH_SIZE at most; `keep_going` is asked before each mail.

    Each is claimed only when its turn comes: a mail that kills its worker must not use up the attempts of those
    behind it, and neither must a server that cannot be reached.
    """
    line, result = Line(), NO_RESULT
    tally, end = Tally(failed=take_back()), time.monotonic() + LONGEST_BATCH
    for left in range(BATCH_SIZE, -1, -1):
        may_go_on = keep_going() and not line.is_dead
        has_room = left > 0 and time.monotonic() < end
        counts, emails = _turn(result, limit=int(may_go_on and has_room))
        tally.count(result.outcome if counts else None)
        if not emails:
            tally.more = may_go_on and not has_room
            break
        result = deliver(emails[0], line)
    line.hang_up()
    return tally


def deliver(email: OutboxEmail, line: "Line") -> Result:
    """Render and send one claimed mail, outside any transaction. Whatever goes wrong with the mail is the result, never
    raised."""
    try:
        line.send(compose(email))
    except NotWanted as reason:
        logger.info("mail not wanted any more", outbox_id=str(email.pk), kind=email.email_type)
        return Result(email, Status.FAILED, in_words(reason), closed_at=timezone.now())
    except Exception as error:
        return _failure(email, error)
    logger.info("mail sent", outbox_id=str(email.pk), kind=email.email_type, attempt=email.attempts)
    return Result(email, Status.SENT, sent_at=timezone.now())


def compose(email: OutboxEmail, *, is_preview: bool = False) -> EmailMultiAlternatives:
    """The finished message. Raises Unsendable, NotWanted, or whatever its renderer raises."""
    message = render(email, is_preview=is_preview)
    _, sender = parseaddr(settings.DEFAULT_FROM_EMAIL)
    site_name, contact = house()["site_name"], house()["contact_email"]
    message.from_email = formataddr((one_line(site_name), sender))
    message.reply_to = [one_line(contact)] if contact else []
    message.to = [_checked(email.recipient_email)]
    message.subject = email.subject
    # The same at every attempt, so that a mail program can fold duplicates. Some providers replace the Message-ID.
    message.extra_headers["Message-ID"] = f"<{email.pk}@{sender.rpartition('@')[2]}>"
    message.extra_headers["X-Outbox-Id"] = str(email.pk)
    return message


def _checked(recipient: str) -> str:
    try:
        validate_email(recipient)
    except ValidationError as error:
        raise Unsendable("this is not an e-mail address") from error
    return recipient


def _failure(email: OutboxEmail, error: Exception) -> Result:
    words = in_words(error)
    if email.recipient_email:
        # Servers like to repeat the address they refuse; it already stands in its own column.
        words = words.replace(email.recipient_email, "(recipient)")
    logger.warning(
        "mail not sent",
        outbox_id=str(email.pk),
        kind=email.email_type,
        attempt=email.attempts,
        final=is_final(error),
        error=type(error.__cause__ or error).__name__,
    )
    if is_final(error):
        return Result(email, Status.FAILED, words)
    if email.attempts >= MAX_ATTEMPTS:
        return Result(email, Status.FAILED, f"{GAVE_UP}: {words}")
    due = timezone.now() + RETRY_DELAYS[email.attempts - 1]
    return Result(email, Status.PENDING, words, next_attempt_at=due)


class Line:
    """One connection to the mail server for a whole batch: opened at the first mail, anew after any failure."""

    def __init__(self) -> None:
        self.connection = get_connection()
        self.is_dead = False

    def send(self, message: EmailMessage) -> None:
        """Hand one message over. Raises ServerAway, or what the server or provider says about the message."""
        try:
            self._dial()
            if not self.connection.send_messages([message]):
                raise SMTPException("the mail was not accepted, without a reason")
        except Exception:
            self.hang_up()
            raise

    def _dial(self) -> None:
        try:
            self.connection.open()
        except Exception as error:
            self.is_dead = True
            raise ServerAway from error

    def hang_up(self) -> None:
        try:
            self.connection.close()
        except OSError as error:
            # The server has every mail that it confirmed; how it says goodbye changes nothing.
            logger.info("mail server hung up", error=type(error).__name__)
