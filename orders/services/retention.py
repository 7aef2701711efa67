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
from orders.models import Order, Payment
from orders.places import IS_WAITING

from . import forgetting, strays

log = structlog.get_logger(__name__)

BATCH = 50
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
    return done + strays.forget_old(now - timedelta(days=days), stop)


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
        done += _forget_batch([order.pk for order in orders], now, stop) if orders else 0
    if not left and not _remembered(event, None).exists():
        audit.record(FORGET_NIGHT, event, new={"days": settings.FORGET_GUESTS_AFTER_DAYS})
    if done:
        log.info("guests of a night forgotten", night=str(event.pk), orders=done)
    return done


def _remembered(event: Event, after: UUID | None) -> QuerySet[Order]:
    rest = Q(pk__gt=after) if after else Q()
    return Order.objects.filter(rest, event=event, forgotten_at=None).only("pk").order_by("pk")


def _forget_batch(order_ids: list[UUID], now: datetime, stop: float) -> int:
    """Forget those of them that are over, together; where that fails, one by one, so that none keeps another waiting.
    One that fails by itself is left for the next time (logged)."""
    try:
        with transaction.atomic():
            return _forget(order_ids, now)
    except Exception as error:  # it must not keep the others waiting
        if len(order_ids) > 1:
            return sum(_forget_batch([each], now, stop) for each in order_ids if time.monotonic() < stop)
        log.error("guest not forgotten", order=str(order_ids[0]), **chores.outline(error))
        return 0


def _forget(order_ids: list[UUID], now: datetime) -> int:
    forgetting.lock(forgetting.holdings_of_orders(order_ids))
    candidates = Order.objects.filter(pk__in=order_ids, forgotten_at=None).select_related("event")
    waiting = Payment.objects.filter(IS_WAITING).filter(Q(order=OuterRef("pk")) | Q(charge__order=OuterRef("pk")))
    over = [order for order in candidates.filter(~Exists(waiting)) if not forgetting.why_open(order, now)]
    holdings = forgetting.holdings_of_orders([order.pk for order in over])
    called = forgetting.traces_by_row(holdings)
    forgetting.forget(holdings, called)
    mails.forget(holdings.orders)
    audit.forget(called)
    audit.record_all(FORGET, over, new={"days": settings.FORGET_GUESTS_AFTER_DAYS})
    return len(over)
