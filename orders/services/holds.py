"""Holds: how long an unpaid order keeps its seats, and giving them back, once, when that is over."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import structlog
from constance import config
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from audit.models import AuditLog
from audit.services import record
from events.models import Event
from homeproductions import chores
from homeproductions.memory import Memory
from orders import mails
from orders.checkouts import Standing, State
from orders.journal import minor_units
from orders.models import Order
from orders.places import waiting_charges
from orders.providers import Notice, Outcome

from . import payments, status
from .paying import ask_provider

log = structlog.get_logger(__name__)

REASON = "hold expired"
POSTPONED = "HOLD_POSTPONED"
BATCH = 100
LONGEST_MINUTES = 60 * 24 * 365 * 10  # a typing error in the setting must not overflow a date

# How often a checkout at a provider earns an order another few minutes, by the provider's answer: a form that is
# merely open gets one chance, a provider that is away a few, money on its way an hour.
EXTENSION = timedelta(minutes=5)
EXTENSIONS: dict[State, int] = {"open": 1, "unknown": 3, "under way": 12}
# After so many questions without an answer a provider is left in peace until the next turn: each may take seconds.
UNANSWERED_LIMIT = 3


# --- Length ------------------------------------------------------------------------------------------------


def length(event: Event) -> timedelta | None:
    """How long an order of this night, placed now, holds its seats; None: for ever.

    May ask the database: call it before the tier is locked.
    """
    minutes = event.hold_minutes if event.hold_minutes is not None else _house_minutes()
    return timedelta(minutes=min(minutes, LONGEST_MINUTES)) if minutes > 0 else None


def _house_minutes() -> int:
    """The `order_hold_minutes` setting, at most a second old: every read of a setting is a query, and all orders of a
    rush would repeat this one."""
    return _settings.get("order_hold_minutes", lambda: int(config.order_hold_minutes))


_settings: Memory[int] = Memory()


# --- Expiry ------------------------------------------------------------------------------------------------


def expire_due(now: datetime | None = None, *, within: timedelta | None = None) -> int:
    """Cancel each pending order whose hold is over, in a transaction of its own. Returns how many were cancelled.

    One that fails is logged and tried again next time, one that somebody else is changing is left to them; so it may
    run several times at once. It starts no further order after `within`.
    """
    now = now or timezone.now()
    stop = time.monotonic() + within.total_seconds() if within is not None else float("inf")
    unanswered: Counter[str | None] = Counter()
    expired = 0
    for order in _due(now):
        if time.monotonic() >= stop:
            break
        try:
            expired += _expire(order, now, unanswered)
        except Exception as error:  # it must not keep the others waiting
            log.error("hold not expired", order=str(order.pk), **chores.outline(error))
    return expired


def _due(now: datetime) -> Iterator[Order]:
    """The orders whose hold is over, longest first, each once however many of them stay as they are."""
    due = Order.objects.filter(_is_due(now)).order_by("hold_expires_at", "pk")
    after = Q()
    while batch := list(due.filter(after)[:BATCH]):
        yield from batch
        last = batch[-1]
        after = Q(hold_expires_at__gt=last.hold_expires_at) | Q(hold_expires_at=last.hold_expires_at, pk__gt=last.pk)


def _is_due(now: datetime) -> Q:
    """Money that waits for a person keeps the seats: its guest has paid, though not what the order costs."""
    waiting = waiting_charges().filter(order=OuterRef("pk"))
    return Q(status=Order.Status.PENDING, hold_expires_at__lte=now) & ~Q(Exists(waiting))


def _expire(order: Order, now: datetime, unanswered: Counter[str | None]) -> bool:
    if not order.checkout_reference:
        return _settle(order, Standing("gone"), now)
    if unanswered[order.checkout_provider] >= UNANSWERED_LIMIT:
        return False  # stays due, and does not lose one of its extensions to a question nobody asked
    answer = _ask(order)
    unanswered[order.checkout_provider] += answer.state == "unknown"
    return _settle(order, answer, now)


def _ask(order: Order) -> Standing:
    """What the provider says about the order's checkout; outside any transaction, for it may take seconds."""
    try:
        return ask_provider(order)
    except Exception as error:
        log.warning("provider not asked", order=str(order.pk), **chores.outline(error))
        return Standing("unknown")


@transaction.atomic
def _settle(seen: Order, answer: Standing, now: datetime) -> bool:
    """Cancel the order, unless its money is there or may still come. True if it was cancelled."""
    order = _lock_due(seen, now)
    if order is None:
        return False
    if answer.state == "paid":
        payments.apply_notice(_paid_notice(order, answer), provider=str(order.checkout_provider))
        return False
    if _postpone(order, answer.state, now):
        return False
    status.cancel_locked(order, reason=REASON)
    mails.queue_hold_expired(order)
    return True


def _lock_due(seen: Order, now: datetime) -> Order | None:
    """The order under its lock if it is still due, with the checkout that the provider was asked about.

    None as well while somebody else holds the lock: a webhook that is paying it at this moment, or another worker.
    """
    orders = Order.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
    unchanged = _is_due(now) & Q(pk=seen.pk, checkout_reference=seen.checkout_reference)
    return orders.select_related("event", "tier").filter(unchanged).first()


def _postpone(order: Order, answer: State, now: datetime) -> bool:
    """Hold the seats of a locked order a little longer; False when the answer is no reason to, or no more."""
    if answer not in EXTENSIONS:
        return False
    extensions = AuditLog.objects.filter(
        entity_type="order", entity_id=order.pk, action=POSTPONED, new_value__answer=answer
    )
    if extensions.count() < EXTENSIONS[answer]:
        order.hold_expires_at = now + EXTENSION
        order.save(update_fields=["hold_expires_at"])
        record(POSTPONED, order, new={"answer": answer})
        return True
    return False


def _paid_notice(order: Order, answer: Standing) -> Notice:
    """What the lost webhook would have said: the checkout was made for this amount, and the provider says it is paid.

    Should the webhook come after all, it names the same checkout or the same payment and counts once.
    """
    return Notice(
        outcome=Outcome.PAID,
        order_reference=order.order_number,
        reference=answer.payment,
        checkout_reference=str(order.checkout_reference),
        amount_minor=minor_units(order.total_price),
        currency=order.currency,
    )
