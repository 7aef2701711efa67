"""The outbox: mail is promised in the transaction of its cause and delivered later, at least once (`delivery`)."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from homeproductions.statements import Part, change, insert_or_ignore

from .models import OutboxEmail

Status = OutboxEmail.Status

PACE = timedelta(seconds=2)  # between mails that were promised all at once


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
