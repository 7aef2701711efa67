"""Calling a night off, and working off its orders: pending ones are cancelled, paid ones refunded or kept.

A night may have thousands of orders. It is off at once; its orders follow one by one, each in a transaction of its own,
by whoever has time: the request that asked for it, and the worker. So it may stop anywhere and simply be gone on with.
"""

import time
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from accounts.models import User
from audit.services import record
from events.services.course import call_off
from homeproductions import chores
from homeproductions.mail.models import EmailKind, OutboxEmail
from orders import mails, places
from orders.journal import EARNINGS
from orders.models import Cancellation, CheckIn, JournalEntry, Order, Payment

from . import status

log = structlog.get_logger(__name__)

Status, PaidOrders = Order.Status, Cancellation.PaidOrders
REASON = "the night was cancelled"
# Orders that were being placed while the night was called off may show up a little later.
STRAGGLERS = timedelta(minutes=5)
AT_ONCE = 2_000  # no round works off more


@transaction.atomic
def start(event_id: UUID, *, paid_orders: str, actor: User) -> Cancellation:
    """Call the night off, unless it is off already, and note what shall become of its orders. Saying it again with
    another choice changes what becomes of those that are left; what was refunded stays refunded.

    Raises EventNotFound, or WrongEventStatus for a night that has taken place.
    """
    is_new = call_off(event_id, actor=actor)
    cancellation, is_first = Cancellation.objects.select_for_update(of=("self",), no_key=True).get_or_create(
        event_id=event_id, defaults={"paid_orders": paid_orders, "started_by": actor}
    )
    old = None if is_first else {"paid_orders": cancellation.paid_orders}
    since = {"started_at": Now()} if is_new else {}
    Cancellation.objects.filter(pk=cancellation.pk).update(
        paid_orders=paid_orders, started_by=actor, finished_at=None, **since
    )
    cancellation.refresh_from_db()
    record("CANCEL_ORDERS", cancellation.event, actor=actor, old=old, new={"paid_orders": paid_orders})
    return cancellation


def work_off(event_id: UUID, *, within: timedelta) -> int:
    """Work off orders of a night that is off, for about that long. Returns how many were.

    One that somebody else is changing is left for the next time, and so is one that fails (logged). Several may work
    on the same night.
    """
    cancellation = _of(event_id)
    if cancellation is None:
        return 0
    stop = time.monotonic() + within.total_seconds()
    done = 0
    for order_id in list(left(cancellation).order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        if time.monotonic() >= stop:
            break
        try:
            done += _settle(order_id, event_id)
        except Exception as error:  # it must not keep the others waiting
            log.error("order of a cancelled night not settled", order=str(order_id), **chores.outline(error))
    return done


def work_off_all(*, within: timedelta) -> int:
    """`work_off` for every night that has orders left. Returns how many orders there were."""
    stop = time.monotonic() + within.total_seconds()
    done = 0
    for cancellation in Cancellation.objects.select_related("event").filter(finished_at=None).order_by("started_at"):
        done += work_off(cancellation.event_id, within=timedelta(seconds=stop - time.monotonic()))
        _finish(cancellation)
    return done


def left(cancellation: Cancellation) -> QuerySet[Order]:
    """The orders that still have to be worked off; none when the night takes place after all."""
    if not cancellation.event.is_off:
        return Order.objects.none()
    return Order.objects.filter(_is_left(cancellation), event=cancellation.event_id)


def _is_left(cancellation: Cancellation) -> Q:
    is_paid = Q(status=Status.PAID)
    match cancellation.paid_orders:
        case PaidOrders.REFUND:
            is_paid &= ~Q(Exists(CheckIn.objects.filter(order=OuterRef("pk"))))
        case PaidOrders.KEEP:
            has_address = ~Q(buyer_email="") | Q(corrected_email__isnull=False)
            can_be_told = Q(is_test=False) & has_address
            is_paid &= can_be_told & ~Q(Exists(_words_of(cancellation)))
    return Q(status=Status.PENDING) | is_paid


def _words_of(cancellation: Cancellation) -> QuerySet[OutboxEmail]:
    """The mails to the guest of an order about this cancellation. One that has not left yet is about it as well,
    since when it was first queued."""
    is_of_now = Q(created_at__gte=cancellation.started_at) | Q(status__in=OutboxEmail.OPEN)
    return OutboxEmail.objects.filter(is_of_now, order=OuterRef("pk"), email_type=EmailKind.EVENT_OFF)


@transaction.atomic
def _settle(order_id: UUID, event_id: UUID) -> bool:
    """Do what is to be done with one order. False when somebody else holds it or has done it."""
    # Read for each order: somebody may have chosen something else meanwhile, or brought the night back.
    cancellation = _of(event_id)
    if cancellation is None or not cancellation.event.is_off:
        return False
    orders = Order.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
    order = orders.select_related("event", "tier").filter(_is_left(cancellation), pk=order_id).first()
    if order is None:
        return False
    actor = cancellation.started_by
    if order.status == Status.PENDING:
        status.cancel_locked(order, actor=actor, reason=REASON)
        mails.queue_event_off(order)
    elif cancellation.paid_orders == PaidOrders.KEEP:
        mails.queue_event_off(order)
    else:
        is_forced = cancellation.paid_orders == PaidOrders.REFUND_ALL
        status.refund_locked(order, actor=actor, force=is_forced, reason=REASON)
    return True


def _of(event_id: UUID) -> Cancellation | None:
    return Cancellation.objects.select_related("event", "started_by").filter(event=event_id).first()


def _finish(cancellation: Cancellation) -> None:
    """Note that nothing is left, once nothing more can come. What was brought back is finished as well: called off
    again later, somebody decides anew."""
    is_settling = timezone.now() < cancellation.started_at + STRAGGLERS
    if cancellation.event.is_off and (is_settling or left(cancellation).exists()):
        return
    unchanged = Cancellation.objects.filter(pk=cancellation.pk, paid_orders=cancellation.paid_orders, finished_at=None)
    unchanged.update(finished_at=timezone.now())


# --- What a person sees before and after ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Outlook:
    """What there is to work off. Test orders are left out; `paid_inside` are among `paid`."""

    pending: int
    paid: int
    paid_inside: int
    seats: int
    waiting: int
    # By payment provider and currency.
    money: dict[tuple[str, str], Decimal]
    money_inside: dict[tuple[str, str], Decimal]


def outlook(event_id: UUID) -> Outlook:
    """The dry run: what calling the night off would be about."""
    live = Order.objects.filter(event=event_id, is_test=False, status__in=(Status.PENDING, Status.PAID)).order_by()
    is_inside = Exists(CheckIn.objects.filter(order=OuterRef("pk")))
    is_paid = Q(status=Status.PAID)
    counts = live.annotate(is_inside=is_inside).aggregate(
        pending=Count("pk", filter=~is_paid),
        paid=Count("pk", filter=is_paid),
        paid_inside=Count("pk", filter=is_paid & Q(is_inside=True)),
        seats=Coalesce(Sum("quantity"), 0),
    )
    waiting = places.waiting_charges().filter(order__event=event_id).count()
    earned = JournalEntry.objects.filter(event=event_id, kind__in=EARNINGS, order__status=Status.PAID).order_by()
    inside = earned.filter(Exists(CheckIn.objects.filter(order=OuterRef("order"))))
    return Outlook(**counts, waiting=waiting, money=_by_provider(earned), money_inside=_by_provider(inside))


@dataclass(frozen=True)
class Progress:
    """How far the orders of a cancelled night are. `refunds_due` is how many payments of refunded orders their
    providers still have: they wait for a person among the payments."""

    cancellation: Cancellation
    left: int
    done: int
    paid: int
    refunded: dict[tuple[str, str], Decimal]
    refunds_due: int

    @property
    def total(self) -> int:
        return self.left + self.done


def progress(event_id: UUID) -> Progress | None:
    """None when the night was not called off here, or takes place after all."""
    cancellation = _of(event_id)
    if cancellation is None or not cancellation.event.is_off:
        return None
    since = cancellation.started_at
    orders = Order.objects.filter(event=event_id, is_test=False).order_by()
    told = Q(status=Status.PAID) & Q(Exists(_words_of(cancellation)))
    done = orders.filter(Q(cancelled_at__gte=since) | Q(refunded_at__gte=since) | told)
    refunds = JournalEntry.objects.filter(
        event=event_id, kind=JournalEntry.Kind.REFUND, order__status=Status.REFUNDED, order__refunded_at__gte=since
    )
    due = Payment.objects.filter(places.IS_WAITING, needs_review=Payment.Review.REFUND_DUE, order__event=event_id)
    return Progress(
        cancellation,
        left=left(cancellation).filter(is_test=False).count(),
        done=done.count(),
        paid=orders.filter(status=Status.PAID).count(),
        refunded={key: -amount for key, amount in _by_provider(refunds.order_by()).items()},
        refunds_due=due.count(),
    )


def _by_provider(entries: QuerySet[JournalEntry]) -> dict[tuple[str, str], Decimal]:
    sums = entries.values_list("order__payment_provider", "currency").annotate(Sum("amount"))
    return {(provider or "", currency): amount for provider, currency, amount in sums if amount}
