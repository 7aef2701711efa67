"""What the worker loop does for orders."""

from datetime import timedelta

from homeproductions import chores
from homeproductions.api import DATABASE_AWAY

from .services import cancellation, deliveries, holds, idempotency, refunds, retention, strays

BATCH = 100
INTERRUPTED_LIMIT = 3
HOLDS_AT_MOST = timedelta(seconds=10)
CANCELLED_AT_MOST = timedelta(seconds=10)
FORGOTTEN_AT_MOST = timedelta(seconds=10)
LOOKED_AT_MOST = timedelta(seconds=10)


def apply_waiting_deliveries() -> int:
    """Apply deliveries whose request died or failed before it could. Returns how many were applied.

    One that fails rests for a while, longer each time, so that it never keeps the others waiting.
    """
    applied = 0
    interrupted = 0
    for delivery_id in list(deliveries.due_deliveries().values_list("pk", flat=True)[:BATCH]):
        try:
            applied += deliveries.try_delivery(delivery_id).reason != deliveries.NOT_YET
        except DATABASE_AWAY:  # or only a deadlock of this one, which has been counted and rests
            interrupted += 1
            if interrupted == INTERRUPTED_LIMIT:
                raise
    return applied


def expire_holds() -> int:
    """Give back the seats of unpaid orders whose hold is over, for a moment only: mails are waiting as well."""
    return holds.expire_due(within=HOLDS_AT_MOST)


def work_off_cancelled_nights() -> int:
    """Go on with the orders of nights that were called off, for a moment only as well."""
    return cancellation.work_off_all(within=CANCELLED_AT_MOST)


def forget_guests() -> int:
    """Forget the guests of nights that are long over, if the house wants that, for a moment only as well."""
    return retention.forget_old(within=FORGOTTEN_AT_MOST)


def forget_late_notices() -> int:
    """Look at new notices, and forget those that came after their guest was forgotten, for a moment only as well."""
    return strays.look_at_new(within=LOOKED_AT_MOST)


chores.register("apply waiting deliveries", timedelta(seconds=30), apply_waiting_deliveries)
chores.register("settle refunds that came first", timedelta(seconds=30), refunds.settle_met)
chores.register("expire holds", timedelta(seconds=30), expire_holds)
chores.register("work off cancelled nights", timedelta(seconds=10), work_off_cancelled_nights)
chores.register("forget idempotency keys", timedelta(hours=1), idempotency.forget_old)
chores.register("forget late notices", timedelta(minutes=10), forget_late_notices)
chores.register("forget guests of old nights", timedelta(minutes=10), forget_guests)
