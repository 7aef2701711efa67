"""Guests are forgotten by themselves some days after their night, where the house has chosen so.

Orders follow in small batches, each in a transaction of its own, so it may stop anywhere and simply be gone on with.
Whoever still has to be reached (money that waits, a night that was called off and not settled) is left until that is
over.
"""

import time
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from audit import services as audit
from audit.models import AuditLog
from events.models import Event
from homeproductions import chores
from homeproductions.mail import forgetting as mails
from homeproductions.traces import Traces
from orders.models import Order, Payment, WebhookDelivery
from orders.places import IS_WAITING
from orders.providers import Unreadable
from orders.providers.registry import BY_NAME

from . import forgetting
from .matching import named_order

log = structlog.get_logger(__name__)

BATCH = 50
PAGE = 200
LATE_FOR = timedelta(days=1)
# As the audit calls them: an order, and a night of which no order is left to be forgotten.
FORGET, FORGET_NIGHT = "FORGET", "FORGET_NIGHT"


def forget_old(*, within: timedelta, now: datetime | None = None) -> int:
    """Forget guests of nights that are over for FORGET_GUESTS_AFTER_DAYS days, for about that long. Returns how many
    orders and stray notices there were; none while the setting is empty."""
    days = settings.FORGET_GUESTS_AFTER_DAYS
    if not days:
        return 0
    now = now or timezone.now()
    stop = time.monotonic() + within.total_seconds()
    done = 0
    for event in nights_due(now, days):
        done += _forget_night(event, now, stop)
        if time.monotonic() >= stop:
            return done
    return done + _forget_stray_notices(now - timedelta(days=days), stop)


def nights_due(now: datetime, days: int) -> QuerySet[Event]:
    """Nights that are over for so long and may have orders to be forgotten, the oldest first."""
    orders = Order.objects.filter(event=OuterRef("pk"))
    later = Order.objects.filter(event=OuterRef("entity_id"), created_at__gt=OuterRef("created_at"))
    finished = AuditLog.objects.filter(~Exists(later), entity_id=OuterRef("pk"), action=FORGET_NIGHT)
    last_day = timezone.localdate(now) - timedelta(days=days)
    old = Event.objects.filter(event_date__lt=last_day)
    return old.filter(Exists(orders), ~Exists(finished)).order_by("event_date", "pk")


def _forget_night(event: Event, now: datetime, stop: float) -> int:
    done, left = 0, True
    after: UUID | None = None
    while left and time.monotonic() < stop:
        orders = list(_remembered(event, after)[:BATCH])
        left, after = bool(orders), orders[-1].pk if orders else after
        done += _forget_batch([order.pk for order in orders], now) if orders else 0
    if not left and not _remembered(event, None).exists():
        audit.record(FORGET_NIGHT, event, new={"days": settings.FORGET_GUESTS_AFTER_DAYS})
    if done:
        log.info("guests of a night forgotten", night=str(event.pk), orders=done)
    return done


def _remembered(event: Event, after: UUID | None) -> QuerySet[Order]:
    rest = Q(pk__gt=after) if after else Q()
    return Order.objects.filter(rest, event=event, forgotten_at=None).only("pk").order_by("pk")


def _forget_batch(order_ids: list[UUID], now: datetime) -> int:
    """Forget those of them that are over, together. A batch that fails is left for the next time (logged)."""
    try:
        with transaction.atomic():
            return _forget(order_ids, now)
    except Exception as error:  # it must not keep the others waiting
        log.error("guests not forgotten", orders=len(order_ids), **chores.outline(error))
        return 0


def _forget(order_ids: list[UUID], now: datetime) -> int:
    forgetting.lock(forgetting.holdings_of_orders(order_ids))
    candidates = Order.objects.filter(pk__in=order_ids, forgotten_at=None).select_related("event")
    waiting = Payment.objects.filter(IS_WAITING).filter(Q(order=OuterRef("pk")) | Q(charge__order=OuterRef("pk")))
    over = [order for order in candidates.filter(~Exists(waiting)) if not forgetting.why_open(order, now)]
    holdings = forgetting.holdings_of_orders([order.pk for order in over])
    traces = forgetting.traces_of(holdings.orders)
    forgetting.forget(holdings, traces)
    mails.forget(holdings.orders)
    audit.forget([*holdings.orders, *holdings.payments], traces)
    audit.record_all(FORGET, over, new={"days": settings.FORGET_GUESTS_AFTER_DAYS})
    return len(over)


# --- Notices that no payment of an order has -------------------------------------------------------------------------


def _forget_stray_notices(before: datetime, stop: float) -> int:
    """Those of payments that never came, that came twice, or that belong to nobody and were decided about."""
    needed = Payment.objects.filter(delivery=OuterRef("pk")).filter(
        Q(order__isnull=False, order__forgotten_at=None) | IS_WAITING
    )
    strays = WebhookDelivery.objects.filter(~Exists(needed), received_at__lt=before, forgotten_at=None)
    strays = strays.exclude(status__in=WebhookDelivery.WAITING).order_by("received_at", "pk")
    done, page = 0, list(strays.values_list("received_at", "pk")[:PAGE])
    while page and time.monotonic() < stop:
        done += sum(_forget_stray(delivery_id) for _, delivery_id in page)
        # Of the same moment there is never a whole page.
        page = list(strays.filter(received_at__gt=page[-1][0]).values_list("received_at", "pk")[:PAGE])
    return done


def forget_late_notices(*, now: datetime | None = None) -> int:
    """Empty notices that came, or were decided about, after the guest of their order had been forgotten, whatever
    FORGET_GUESTS_AFTER_DAYS says. Returns how many there were."""
    if not Order.objects.filter(forgotten_at__isnull=False).exists():
        return 0
    is_forgotten = Q(order__forgotten_at__isnull=False) | Q(charge__order__forgotten_at__isnull=False)
    late = Payment.objects.filter(~IS_WAITING, is_forgotten, delivery__forgotten_at=None, delivery__isnull=False)
    ids = set(late.values_list("delivery_id", flat=True)[:PAGE])
    # Those that only repeat what was known have no payment; each is read, so only while it is new.
    since = (now or timezone.now()) - LATE_FOR
    repeats = WebhookDelivery.objects.filter(received_at__gt=since, forgotten_at=None, payments=None)
    repeats = repeats.exclude(status__in=WebhookDelivery.WAITING)
    ids.update(each.pk for each in repeats.iterator(chunk_size=PAGE) if _names_somebody_forgotten(each))
    return sum(_forget_stray(delivery_id) for delivery_id in sorted(ids))


@transaction.atomic
def _forget_stray(delivery_id: UUID) -> bool:
    delivery = WebhookDelivery.objects.select_for_update(of=("self",), no_key=True).get(pk=delivery_id)
    if _names_somebody_remembered(delivery):
        return False
    forgetting.forget_notice(delivery, Traces())
    Payment.objects.filter(~IS_WAITING, delivery=delivery).update(payer_email="", outcome_note="")
    return True


def _names_somebody_remembered(delivery: WebhookDelivery) -> bool:
    """Whether it is about an order that still says who bought it: then it is forgotten together with that."""
    return _orders_named(delivery).filter(forgotten_at=None).exists()


def _names_somebody_forgotten(delivery: WebhookDelivery) -> bool:
    return _orders_named(delivery).filter(forgotten_at__isnull=False).exists()


def _orders_named(delivery: WebhookDelivery) -> QuerySet[Order]:
    try:
        notices = BY_NAME[delivery.provider].notices(bytes(delivery.body))
    except (Unreadable, KeyError):
        return Order.objects.none()
    ids = {order_id for notice in notices if (order_id := named_order(notice)) is not None}
    opened = Q(checkout_reference__in=[notice.checkout_reference for notice in notices if notice.checkout_reference])
    return Order.objects.filter(Q(pk__in=ids) | opened)
