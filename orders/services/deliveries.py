"""Deliveries: what a provider sent is stored as it came, then applied once, and tried again until it could be."""

import hashlib
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from homeproductions import chores
from homeproductions.api import DATABASE_AWAY
from homeproductions.reading import change_one
from homeproductions.statements import insert_or_ignore
from orders import alerts
from orders.models import Payment, WebhookDelivery
from orders.providers import Unreadable
from orders.providers.registry import BY_NAME

from .payments import Result, apply_notice
from .settlement import wait_for_a_person

log = structlog.get_logger(__name__)

Status = WebhookDelivery.Status
WAITING = WebhookDelivery.WAITING
NOT_YET = "not_applied_yet"
# How long a delivery rests after its first, second, ... attempt; then the last one again and again. An attempt that
# kills its process counts as well. The first leaves time for the request that stored it.
DELAYS = [timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=1)]
ALERT_AFTER = 3


def store_delivery(*, provider: str, event_id: str, body: bytes, headers: dict[str, str]) -> WebhookDelivery:
    """Keep the raw delivery before anything else is done, and count that it is going to be tried: one that kills its
    process must not be the first in line for ever. A replay finds the row that is already there."""
    name = {"provider": provider, "event_id": _short(event_id)}
    delivery = WebhookDelivery(**name, body=body, headers=headers, attempts=1, processed_at=timezone.now())
    if insert_or_ignore(delivery):
        return delivery
    delivery = WebhookDelivery.objects.get(**name)
    _count_attempt(delivery.pk)
    return delivery


def _count_attempt(delivery_id: UUID) -> None:
    waiting = WebhookDelivery.objects.filter(pk=delivery_id, status__in=WAITING)
    waiting.update(attempts=F("attempts") + 1, processed_at=timezone.now())


def _short(event_id: str) -> str:
    """An id as it fits the column. A long one is hashed, not cut: two of them must not become one."""
    return event_id if len(event_id) <= 255 else hashlib.sha256(event_id.encode()).hexdigest()


def due_deliveries() -> QuerySet[WebhookDelivery]:
    """Deliveries whose request died or failed before it could apply them, and that have rested long enough."""
    now = timezone.now()
    rested = Q(attempts=0, received_at__lt=now - DELAYS[0])
    for attempts, delay in enumerate(DELAYS, start=1):
        tried = Q(attempts__gte=attempts) if attempts == len(DELAYS) else Q(attempts=attempts)
        rested |= tried & (Q(processed_at__lt=now - delay) | Q(processed_at=None))
    return WebhookDelivery.objects.filter(rested, status__in=WAITING).order_by("received_at")


def try_delivery(delivery_id: UUID) -> Result:
    """`try_stored` once more, for a delivery that was stored some time ago."""
    _count_attempt(delivery_id)
    return try_stored(delivery_id)


def try_stored(delivery_id: UUID) -> Result:
    """Apply a delivery that `store_delivery` has just stored. What fails is noted and tried again later by the worker,
    so the sender need not. Raises only when the database is away."""
    try:
        return _apply_after_twin(delivery_id)
    except DATABASE_AWAY:
        raise
    except Exception as error:
        log.error("delivery not applied", delivery=str(delivery_id), **chores.outline(error))
        _note_failure(delivery_id, error)
    return Result(False, NOT_YET)


def _apply_after_twin(delivery_id: UUID) -> Result:
    try:
        return apply_delivery(delivery_id)
    except IntegrityError:
        # Another notice of the same payment, which locks another order or none, was stored in the same moment. Now
        # that payment is known.
        return apply_delivery(delivery_id)


@transaction.atomic
def apply_delivery(delivery_id: UUID) -> Result:
    """Do what a stored delivery says, once. Applying it again repeats the result and changes nothing."""
    # Locked by noting at once what becomes of most.
    waiting = "id = %s AND status = ANY(%s)"
    delivery = change_one(WebhookDelivery, NOTE_APPLIED, waiting, timezone.now(), delivery_id, list(WAITING))
    if delivery is None:
        done = WebhookDelivery.objects.get(pk=delivery_id)
        return Result(done.status == Status.APPLIED, done.reason)
    result = _apply_all(delivery)
    if not result.processed:
        delivery.status, delivery.reason = Status.IGNORED, result.reason
        delivery.save(update_fields=["status", "reason"])
    return result


NOTE_APPLIED = "status = 'applied', reason = '', processed_at = %s"


@transaction.atomic
def _note_failure(delivery_id: UUID, error: Exception) -> None:
    delivery = WebhookDelivery.objects.select_for_update(of=("self",), no_key=True).get(pk=delivery_id)
    if delivery.status not in WAITING:
        return  # somebody else could
    delivery.status = Status.FAILED
    # Not its text: that of a database error can quote a guest's data. The place is in the log.
    delivery.reason = type(error).__name__
    delivery.save(update_fields=["status", "reason"])
    if delivery.attempts == ALERT_AFTER:
        alerts.queue_for_delivery(delivery)


def _apply_all(delivery: WebhookDelivery) -> Result:
    try:
        notices = BY_NAME[delivery.provider].notices(bytes(delivery.body))
    except Unreadable as error:
        _keep_unreadable(delivery)
        return Result(False, f"unreadable: {error}")
    results = [apply_notice(notice, provider=delivery.provider, delivery=delivery) for notice in notices]
    return next((each for each in results if not each.processed), Result(True))


def _keep_unreadable(delivery: WebhookDelivery) -> None:
    """It may be about money, so it waits on the same screen as money does."""
    payment, is_new = Payment.objects.get_or_create(
        provider=delivery.provider,
        kind=Payment.Kind.CHARGE,
        reference=delivery.event_id,
        defaults={"delivery": delivery},
    )
    if is_new:
        wait_for_a_person(payment, Payment.Review.UNKNOWN)
