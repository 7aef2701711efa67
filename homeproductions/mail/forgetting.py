"""Mails of a guest who is forgotten: that they were sent, and when, stays."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Case, F, Q, QuerySet, Value, When
from django.utils import timezone

from .models import EmailStatus, OutboxEmail

REASON = "the guest was forgotten"


def mails_of(orders: Iterable[UUID], emails: Iterable[str] = ()) -> QuerySet[OutboxEmail]:
    """Mails of these orders, and all to these addresses."""
    theirs = Q(order__in=list(orders))
    for email in emails:
        theirs |= Q(recipient_email__iexact=email)
    return OutboxEmail.objects.filter(theirs)


def forget(orders: Iterable[UUID], emails: Iterable[str] = (), known: Iterable[UUID] = ()) -> int:
    """Empty the mails of these orders, those of no order to these addresses, and the `known` ones of recipient, subject
    and everything else that was said, in the caller's transaction; those that are not sent never will be. Returns how
    many there were. A mail of another order stays as it is: whoever has the address may have ordered just now.

    A worker that is sending one at this moment can no longer write its result; that mail may still arrive.
    """
    was_sent = Q(status=EmailStatus.SENT)
    unsent: dict[str, Any] = {
        "status": Value(EmailStatus.FAILED),
        "closed_at": Value(timezone.now()),
        "error_message": Value(REASON),
    }
    kept: dict[str, Any] = {"status": F("status"), "closed_at": F("closed_at"), "error_message": Value(None)}
    result = {name: Case(When(was_sent, then=kept[name]), default=unsent[name]) for name in unsent}
    theirs = Q(order__in=list(orders)) | Q(pk__in=list(known))
    for email in emails:
        theirs |= Q(recipient_email__iexact=email, order=None)
    return OutboxEmail.objects.filter(theirs).update(
        recipient_email="", subject="", context={}, lease_until=None, **result
    )
