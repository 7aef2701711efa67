"""Joining and leaving the list. Only what comes out of a mail to the address itself can change somebody's consent,
unless the office has switched the confirmation off."""

from typing import Any

from constance import config
from django.db import transaction
from django.utils import timezone

from audit.services import record
from homeproductions.mail import services as outbox

from . import queries
from .models import Subscriber

CONFIRMATION = "newsletter_confirmation"
FAREWELL = "newsletter_unsubscribe"
SUBJECTS = {
    CONFIRMATION: "Please confirm your subscription",
    FAREWELL: "Your link to unsubscribe",
}


@transaction.atomic
def subscribe(*, email: str) -> bool:
    """Put an address on the list, or mail it a link to confirm, as the office has set it.

    Returns whether a link is needed: a fact about the setting, the same for every address. Nothing happens to an
    address that is on the list already, and no mail leaves while earlier ones are fresh (`queries.may_mail`).
    """
    must_confirm = bool(config.email_require_confirmation)
    subscriber, is_new = _get_or_create_locked(email)
    if not must_confirm and not subscriber.is_active:
        old = None if is_new else {"is_active": False}
        _change(subscriber, "NEWSLETTER_SUBSCRIBE", old=old, is_active=True, unsubscribed_at=None)
    elif is_new:
        record("NEWSLETTER_SUBSCRIBE", subscriber, new={"is_active": False})
    if must_confirm and not subscriber.is_active:
        _queue(CONFIRMATION, subscriber)
    return must_confirm


@transaction.atomic
def confirm(*, token: str) -> bool:
    """Put whoever followed the link on the list. False if they are on it already. Raises LinkUnknown, LinkExpired."""
    subscriber = queries.by_confirm_token(token, lock=True)
    if subscriber.is_active:
        return False
    _change(
        subscriber,
        "NEWSLETTER_CONFIRM",
        old={"is_active": False},
        is_active=True,
        confirmed_at=timezone.now(),
        unsubscribed_at=None,
    )
    return True


@transaction.atomic
def ask_to_unsubscribe(*, email: str) -> None:
    """Mail the unsubscribe link to an address that is on the list. Anything else is left alone, silently."""
    subscriber = Subscriber.objects.select_for_update().filter(email=email, is_active=True).first()
    if subscriber:
        _queue(FAREWELL, subscriber)


@transaction.atomic
def unsubscribe(*, token: str) -> bool:
    """Take whoever followed the link off the list. False if they had left already. Raises LinkUnknown.

    Somebody who has not confirmed yet leaves too: the links they got so far confirm nothing any more.
    """
    subscriber = queries.by_unsubscribe_token(token, lock=True)
    if subscriber.unsubscribed_at is not None:
        return False
    _change(
        subscriber,
        "NEWSLETTER_UNSUBSCRIBE",
        old={"is_active": subscriber.is_active},
        is_active=False,
        unsubscribed_at=timezone.now(),
    )
    return True


def _get_or_create_locked(email: str) -> tuple[Subscriber, bool]:
    """The address's row, held until the transaction ends, so that of two requests one waits for the other."""
    fresh = Subscriber(email=email, is_active=False)
    Subscriber.objects.bulk_create([fresh], ignore_conflicts=True)
    subscriber = Subscriber.objects.select_for_update().get(email=email)
    return subscriber, subscriber.pk == fresh.pk


def _change(subscriber: Subscriber, action: str, *, old: dict[str, Any] | None, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(subscriber, name, value)
    subscriber.save(update_fields=list(fields))
    record(action, subscriber, old=old, new={"is_active": subscriber.is_active})


def _queue(kind: str, subscriber: Subscriber) -> None:
    """Promise the mail unless the address has had enough of them. The subscriber's row must be locked."""
    if queries.may_mail(subscriber, kind):
        outbox.queue(
            kind,
            recipient=subscriber.email,
            subject=SUBJECTS[kind],
            # The id only. The link is made when the mail is rendered, so that no working link lies in the table.
            context={"subscriber": str(subscriber.pk)},
        )
