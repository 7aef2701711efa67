"""Joining and leaving the list. Only what comes out of a mail to the address itself can change somebody's consent,
unless the office has switched the confirmation off, or does it for somebody who told them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from constance import config
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit.services import record, record_all
from homeproductions.errors import Invalid
from homeproductions.fields import is_email
from homeproductions.mail import services as outbox

from . import queries
from .models import Subscriber

CONFIRMATION = "newsletter_confirmation"
FAREWELL = "newsletter_unsubscribe"
SUBJECTS = {
    CONFIRMATION: "Please confirm your subscription",
    FAREWELL: "Your link to unsubscribe",
}
IMPORT_MAX = 5_000


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
        asked: dict[str, Any] = {} if is_new else {"subscribed_at": timezone.now()}
        _change(subscriber, "NEWSLETTER_SUBSCRIBE", old=old, is_active=True, unsubscribed_at=None, **asked)
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
    return _leave(queries.by_unsubscribe_token(token, lock=True))


@transaction.atomic
def unsubscribe_for(subscriber_id: UUID, *, actor: User) -> bool:
    """Take somebody off the list who told the office so. False if they had left already.

    Only they can come back: an import leaves them alone, and the website asks the address itself.
    """
    return _leave(Subscriber.objects.select_for_update().get(pk=subscriber_id), actor=actor)


def forget(emails: Iterable[str]) -> list[UUID]:
    """Delete what we know of these addresses, in the caller's transaction. Returns the ids that the audit knows them
    by. Their links lead nowhere from then on."""
    subscribers = list(Subscriber.objects.select_for_update().filter(email__in=list(emails)))
    Subscriber.objects.filter(pk__in=[subscriber.pk for subscriber in subscribers]).delete()
    return [subscriber.pk for subscriber in subscribers]


@dataclass(frozen=True)
class Imported:
    """What became of the addresses of an import."""

    added: int
    known: int
    must_confirm: bool


@transaction.atomic
def import_addresses(emails: Iterable[str], *, actor: User) -> Imported:
    """Add the addresses that we do not know yet. Those we know stay as they are, above all those who have left.

    With the confirmation switched on, each is sent a link and is on the list once that is followed. Raises Invalid
    for what is no address; then nothing is added.
    """
    # In one order, so that of two imports at once each waits for the other at most once.
    wanted = sorted({email.strip().lower() for email in emails})
    if len(wanted) > IMPORT_MAX or not all(is_email(email) for email in wanted):
        raise Invalid(f"Send at most {IMPORT_MAX} addresses, and only such as mail can reach.")
    must_confirm = bool(config.email_require_confirmation)
    added = _add(wanted, is_active=not must_confirm)
    state = {"is_active": not must_confirm, "source": Subscriber.Source.IMPORT}
    record_all("NEWSLETTER_IMPORT", added, actor=actor, new=state)
    if must_confirm:
        mails = [(subscriber.email, {"subscriber": str(subscriber.pk)}) for subscriber in added]
        outbox.queue_slowly(CONFIRMATION, mails, subject=SUBJECTS[CONFIRMATION])
    return Imported(added=len(added), known=len(wanted) - len(added), must_confirm=must_confirm)


def _add(emails: list[str], *, is_active: bool) -> list[Subscriber]:
    """New rows for the addresses that have none; somebody who subscribes in the same moment keeps their own."""
    fresh = [Subscriber(email=email, is_active=is_active, source=Subscriber.Source.IMPORT) for email in emails]
    Subscriber.objects.bulk_create(fresh, ignore_conflicts=True, batch_size=1_000)
    return list(Subscriber.objects.filter(pk__in=[subscriber.pk for subscriber in fresh]))


def _leave(subscriber: Subscriber, *, actor: User | None = None) -> bool:
    """The subscriber's row must be locked."""
    if subscriber.unsubscribed_at is not None:
        return False
    _change(
        subscriber,
        "NEWSLETTER_UNSUBSCRIBE",
        actor=actor,
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


def _change(
    subscriber: Subscriber, action: str, *, old: dict[str, Any] | None, actor: User | None = None, **fields: Any
) -> None:
    for name, value in fields.items():
        setattr(subscriber, name, value)
    subscriber.save(update_fields=list(fields))
    record(action, subscriber, actor=actor, old=old, new={"is_active": subscriber.is_active})


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
