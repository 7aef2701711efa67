"""The door: each paid order is let in exactly once, and every scan that was turned away is kept."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit.services import record
from events.models import Event
from homeproductions import origin
from homeproductions.api import timestamp
from homeproductions.errors import Refused
from orders.errors import AlreadyCheckedIn, EventOff, NotPaid, OrderNotFound, WrongEvent
from orders.models import CheckIn, Order, RefusedScan
from orders.queries import presented

DEVICE_MAX_LENGTH = 255
CLOSED = (Event.Status.CANCELLED, Event.Status.DELETED)
REFUSALS: dict[str, type[Refused]] = {
    refusal.code: refusal for refusal in (AlreadyCheckedIn, EventOff, NotPaid, OrderNotFound, WrongEvent)
}


@dataclass(frozen=True)
class Scan:
    """One look at a ticket: what was read, by whom, and the scanner's own id of it (so that a repeat is known)."""

    text: str
    actor: User
    nonce: str | None = None
    event_id: UUID | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what was read, which may be a real ticket code and is therefore not stored."""
        return hashlib.sha256(self.text.strip().encode()).hexdigest()


def check_in(scan: Scan) -> CheckIn:
    """Admit everybody of the order, once. The same scan sent again (same nonce) gets its first answer.

    Raises OrderNotFound, WrongEvent, EventOff, NotPaid or AlreadyCheckedIn; the refused scan is kept.
    """
    _repeat_refusal(scan)
    try:
        return _admit(scan)
    except Refused as refusal:
        _keep_refusal(scan, refusal)
        raise


@transaction.atomic
def _admit(scan: Scan) -> CheckIn:
    order = _lock_order(scan.text)
    earlier = CheckIn.objects.filter(order=order).first()
    if earlier and scan.nonce and earlier.nonce == scan.nonce:
        earlier.order = order
        return earlier
    _refuse_unless_welcome(order, scan, earlier)
    checkin = CheckIn.objects.create(
        order=order,
        admitted=order.quantity,
        checked_in_by=scan.actor,
        device_info=_device(),
        nonce=scan.nonce,
    )
    record("CHECKIN", order, actor=scan.actor, new={"admitted": checkin.admitted})
    return checkin


def _lock_order(text: str) -> Order:
    """A refund of this order waits for us or we for it, so nobody is both refunded and admitted afterwards."""
    orders = Order.objects.select_for_update(of=("self",), no_key=True).select_related("event", "tier")
    order = orders.filter(presented(text)).first()
    if order is None:
        raise OrderNotFound
    return order


def _refuse_unless_welcome(order: Order, scan: Scan, earlier: CheckIn | None) -> None:
    if scan.event_id is not None and order.event_id != scan.event_id:
        raise WrongEvent(f"This ticket is for {order.event.name}.")
    if order.event.status in CLOSED:
        raise EventOff
    if order.status != Order.Status.PAID:
        raise NotPaid(f"This order is {order.status}.")
    if earlier is not None:
        raise _already(earlier)


def _already(checkin: CheckIn) -> AlreadyCheckedIn:
    local = timezone.localtime(checkin.checked_in_at)
    return AlreadyCheckedIn(f"Already let in at {local:%H:%M}.", checkedInAt=timestamp(checkin.checked_in_at))


def _keep_refusal(scan: Scan, refusal: Refused) -> None:
    """After the rollback, in a transaction of its own. A repeated scan is kept once."""
    row = RefusedScan(
        order=Order.objects.filter(presented(scan.text)).first(),
        code=refusal.code,
        presented_hash=scan.fingerprint,
        nonce=scan.nonce,
        scanned_by=scan.actor,
        device_info=_device(),
    )
    RefusedScan.objects.bulk_create([row], ignore_conflicts=True)


def _repeat_refusal(scan: Scan) -> None:
    if not scan.nonce:
        return
    earlier = (
        RefusedScan.objects.filter(presented_hash=scan.fingerprint, nonce=scan.nonce).select_related("order").first()
    )
    if earlier is None:
        return
    admitted = CheckIn.objects.filter(order=earlier.order).first() if earlier.order else None
    if earlier.code == AlreadyCheckedIn.code and admitted:
        raise _already(admitted)
    raise REFUSALS[earlier.code]


def _device() -> str | None:
    return (origin.current().user_agent or "")[:DEVICE_MAX_LENGTH] or None
