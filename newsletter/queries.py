"""What can be asked about subscribers."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from homeproductions.mail.models import OutboxEmail

from . import links
from .errors import LinkExpired, LinkUnknown
from .models import Subscriber

CONFIRM_WITHIN = timedelta(days=7)
# Anybody can type a stranger's address into a form. These bound what that stranger may get of one kind of mail.
MAIL_PAUSE = timedelta(minutes=5)
MAILS_PER_DAY = 4

State = Subscriber.State
STATES: dict[str, Q] = {
    State.ACTIVE: Q(is_active=True),
    State.WAITING: Q(is_active=False, unsubscribed_at=None),
    State.LEFT: Q(is_active=False, unsubscribed_at__isnull=False),
}


def listed(state: str = "") -> QuerySet[Subscriber]:
    """Subscribers for the office, those who asked last first; of one state, if it is named."""
    chosen = STATES[state] if state else Q()
    return Subscriber.objects.filter(chosen).order_by("-subscribed_at", "-pk")


def states_of(emails: Iterable[str]) -> dict[str, str]:
    """The state of each of these addresses that we know."""
    return {known.email: known.state for known in Subscriber.objects.filter(email__in=list(emails))}


def by_confirm_token(token: str, *, lock: bool = False) -> Subscriber:
    """Whom a confirmation link belongs to. Raises LinkUnknown, or LinkExpired when it can no longer confirm."""
    subscriber_id, asked_at = links.read_confirm_token(token)
    subscriber = _get(subscriber_id, lock=lock)
    if not subscriber.is_active and not can_confirm(subscriber, asked_at):
        raise LinkExpired
    return subscriber


def by_unsubscribe_token(token: str, *, lock: bool = False) -> Subscriber:
    """Whom an unsubscribe link belongs to. Raises LinkUnknown."""
    return _get(links.read_unsubscribe_token(token), lock=lock)


def can_confirm(subscriber: Subscriber, asked_at: datetime) -> bool:
    """Whether a wish of that moment still stands. Leaving the list ends all earlier ones, used or not."""
    has_left_since = subscriber.unsubscribed_at is not None and subscriber.unsubscribed_at >= asked_at
    return not has_left_since and timezone.now() < asked_at + CONFIRM_WITHIN


def may_mail(subscriber: Subscriber, kind: str) -> bool:
    """Whether the address may get another mail that somebody else can cause."""
    now = timezone.now()
    since = now - timedelta(days=1)
    if subscriber.unsubscribed_at:
        # Only the owner of the address can have left, and the links from before no longer confirm.
        since = max(since, subscriber.unsubscribed_at)
    recent = OutboxEmail.objects.filter(
        order=None, recipient_email=subscriber.email, email_type=kind, created_at__gt=since
    )
    moments = list(recent.values_list("created_at", flat=True))
    return len(moments) < MAILS_PER_DAY and all(moment <= now - MAIL_PAUSE for moment in moments)


def _get(subscriber_id: UUID, *, lock: bool) -> Subscriber:
    subscribers = Subscriber.objects.select_for_update() if lock else Subscriber.objects.all()
    subscriber = subscribers.filter(pk=subscriber_id).first()
    if subscriber is None:
        raise LinkUnknown
    return subscriber
