"""Delivers what is due.

Between the mail server's "OK" and our note of it a worker may die. The mail then goes out again with the same
Message-ID and the same content, which is harmless; a mail that never goes out is not.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from email.utils import formataddr, parseaddr
from smtplib import SMTPException

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection
from django.core.validators import validate_email
from django.utils import timezone

from homeproductions.house import house

from .errors import NotWanted, ServerAway, Unsendable, in_words, is_final
from .models import MAX_ATTEMPTS, OutboxEmail
from .registry import render
from .services import one_line
from .turns import CLOSED, GAVE_UP, NO_RESULT, Result, next_turn, take_back

logger = structlog.get_logger(__name__)


Status = OutboxEmail.Status

# Over one connection: some servers take no more. Meanwhile the other chores of the worker wait.
BATCH_SIZE = 50
LONGEST_BATCH = 10  # seconds
RETRY_DELAYS = [timedelta(minutes=minutes) for minutes in (1, 10, 60, 360)]


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
        counts, emails = next_turn(result, limit=int(may_go_on and has_room))
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
