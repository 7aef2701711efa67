"""What a person does with mail in the outbox: look at it, have it tried again, call it off, ask for a test.

Each change is one transaction with its history.
"""

from typing import Any
from uuid import UUID

from constance import config
from django.core.mail import EmailMultiAlternatives
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from audit.services import record
from homeproductions.errors import NotFound

from . import queries
from .delivery import compose
from .errors import NothingToRetry, Overtaken, TooLate
from .models import EmailKind, OutboxEmail
from .services import queue

Status = OutboxEmail.Status

CALLED_OFF = "called off in the office"
RETRIED_AT_ONCE = 500


def preview(email: OutboxEmail) -> EmailMultiAlternatives:
    """The mail as it would leave now, without what only its recipient may have. Whatever rendering it writes (a new
    ticket code, say) is undone. Raises what `compose` raises."""
    with transaction.atomic():
        message = compose(email, is_preview=True)
        transaction.set_rollback(True)
    return message


def note_look(email: OutboxEmail, *, actor: models.Model) -> None:
    """Keep in the history that somebody looked: a ticket that can be seen can be used."""
    record("PREVIEW", email, actor=actor, new={"kind": email.email_type})


def can_retry(email: OutboxEmail) -> bool:
    return email.status in (Status.PENDING, Status.FAILED)


@transaction.atomic
def retry(email_id: UUID, *, actor: models.Model) -> OutboxEmail:
    """Make a mail due at once, with all its attempts. Raises NotFound, TooLate (being sent, or sent), or Overtaken."""
    email = _lock(email_id)
    if not can_retry(email):
        raise TooLate
    old = {"status": email.status, "attempts": email.attempts}
    email.status, email.attempts, email.next_attempt_at = Status.PENDING, 0, timezone.now()
    email.closed_at = email.lease_until = email.error_message = None
    fields = ["status", "attempts", "next_attempt_at", "closed_at", "lease_until", "error_message"]
    try:
        with transaction.atomic():
            email.save(update_fields=fields)
    except IntegrityError as error:
        raise Overtaken from error
    record("MAIL_RETRY", email, actor=actor, old=old, new={"status": email.status, "attempts": 0})
    return email


def retry_given_up(*, actor: models.Model) -> int:
    """Retry what was given up while the mail server was away, at most RETRIED_AT_ONCE. Returns how many.

    Raises NothingToRetry. Each mail has a transaction of its own: one that moves on meanwhile stops none of the rest.
    """
    retried = 0
    for email_id in queries.retriable(timezone.now()).values_list("pk", flat=True)[:RETRIED_AT_ONCE]:
        try:
            retry(email_id, actor=actor)
        except (TooLate, Overtaken):
            continue
        retried += 1
    if not retried:
        raise NothingToRetry
    return retried


def can_call_off(email: OutboxEmail) -> bool:
    return email.is_open or email.has_failed


@transaction.atomic
def call_off(email_id: UUID, *, actor: models.Model) -> OutboxEmail:
    """Send a mail no more, or take a failed one off the list. Raises NotFound or TooLate.

    A worker that is sending it at this moment can no longer write its result; that mail may still arrive.
    """
    email = _lock(email_id)
    if not can_call_off(email):
        raise TooLate
    old = {"status": email.status, "attempts": email.attempts}
    email.status, email.closed_at, email.lease_until = Status.FAILED, timezone.now(), None
    # Why a mail had failed stays readable.
    email.error_message = f"{CALLED_OFF}; before: {email.error_message}" if email.error_message else CALLED_OFF
    email.save(update_fields=["status", "closed_at", "lease_until", "error_message"])
    record("MAIL_CALLED_OFF", email, actor=actor, old=old, new={"status": email.status})
    return email


@transaction.atomic
def send_test(*, actor: Any) -> OutboxEmail:
    """Promise a test mail to whoever asks, the same way as a ticket goes."""
    subject = f"A test mail from {config.site_name}"
    email = queue(EmailKind.TEST, recipient=actor.email, subject=subject)
    record("MAIL_TEST", email, actor=actor)
    return email


def _lock(email_id: UUID) -> OutboxEmail:
    email = OutboxEmail.objects.select_for_update().filter(pk=email_id).first()
    if email is None:
        raise NotFound("There is no such mail.")
    return email
