"""The door: each paid order is let in exactly once, and every scan that was turned away is kept."""

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from audit.models import AuditLog
from audit.services import record, unsaved
from events.models import Event
from homeproductions import origin
from homeproductions.errors import Invalid, Refused
from homeproductions.fields import timestamp
from homeproductions.statements import insert_or_ignore, run, saved, with_parts
from orders.errors import AlreadyCheckedIn, EventOff, NotPaid, OrderNotFound, TooManyPeople, WrongEvent
from orders.models import CheckIn, Order, RefusedScan
from orders.queries import find_for_door, presented

DEVICE_MAX_LENGTH = 255
CLOSED = (Event.Status.CANCELLED, Event.Status.DELETED)
REFUSALS: dict[str, type[Refused]] = {
    refusal.code: refusal for refusal in (AlreadyCheckedIn, EventOff, NotPaid, OrderNotFound, TooManyPeople, WrongEvent)
}


@dataclass(frozen=True)
class Scan:
    """One look at a ticket: what was read, by whom, and the scanner's own id of it (so that a repeat is known).

    A scan admits everybody of the order. By hand, `people` of them come in, and the others may follow."""

    text: str
    actor: User
    nonce: str | None = None
    event_id: UUID | None = None
    people: int | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what was read, which may be a real ticket code and is therefore not stored."""
        return hashlib.sha256(self.text.strip().encode()).hexdigest()


def check_in(scan: Scan) -> CheckIn:
    """Admit everybody of the order, once, or some of them by hand. The same scan sent again (same nonce) gets its
    first answer.

    Raises OrderNotFound, WrongEvent, EventOff, NotPaid, AlreadyCheckedIn or TooManyPeople; the refused scan is kept.
    """
    _repeat_refusal(scan)
    seen = None
    try:
        seen, earlier = _look(scan)
        return (seen and _admit_at_once(seen, earlier, scan)) or _admit(scan)
    except Refused as refusal:
        _keep_refusal(scan, refusal, seen)
        raise


def _look(scan: Scan) -> tuple[Order | None, CheckIn | None]:
    """The order and its check-in, unlocked, with its night as this process last saw it; nothing: only a look under the
    lock will do."""
    return find_for_door(scan.text) if scan.people is None else (None, None)


def _admit_at_once(order: Order, earlier: CheckIn | None, scan: Scan) -> CheckIn | None:
    """What most scans are, without holding a lock from one round trip to the next: somebody who is inside already is
    refused, and whoever is welcome comes in if the order and its night are still as they were looked at.

    None: anything else, which `_admit` decides. Raises AlreadyCheckedIn.
    """
    if earlier is not None and scan.nonce:
        return None
    try:
        _refuse_unless_welcome(order, scan, earlier)
    except AlreadyCheckedIn:
        raise
    except Refused:
        return None
    return _let_in_at_once(order, scan)


def _let_in_at_once(order: Order, scan: Scan) -> CheckIn | None:
    checkin = _new_checkin(order, scan)
    row = unsaved("CHECKIN", order, actor=scan.actor, new=_noted(checkin, scan))
    welcome = (WELCOME, [order.pk, order.status, order.code_version, order.event.status])
    sql, values = with_parts(welcome, "welcome", [checkin, row], "true")
    try:
        found = run(sql, values)
    except IntegrityError:  # a twin of this scan was faster
        return None
    if found is None:
        return None
    saved(checkin)
    return checkin


# The lock waits for a refund of this order, or it for us; then the row is looked at again.
WELCOME = """
    SELECT orders.id FROM orders JOIN events ON events.id = orders.event_id
    WHERE orders.id = %s AND (orders.status, orders.code_version, events.status) = (%s, %s, %s)
    FOR NO KEY UPDATE OF orders
"""


def why_nobody_yet(event: Event) -> str:
    """Before the day of the night nobody is let in by hand: a press beside the wrong night would use up a ticket.
    Says so in words; an empty text from then on."""
    if timezone.localdate() >= event.event_date:
        return ""
    return f"Nobody goes in yet: this night is on {event.event_date:%A, %d %B}."


def refuse_before_the_night(event: Event) -> None:
    """Raises Invalid."""
    if reason := why_nobody_yet(event):
        raise Invalid(reason)


@transaction.atomic
def _admit(scan: Scan) -> CheckIn:
    order = _lock_order(scan.text)
    earlier = CheckIn.objects.filter(order=order).first()
    if earlier is not None and scan.nonce and _is_repeat(scan, earlier):
        earlier.order = order
        return earlier
    _refuse_unless_welcome(order, scan, earlier)
    return _let_in(order, scan) if earlier is None else _let_more_in(earlier, order, scan)


def _let_in(order: Order, scan: Scan) -> CheckIn:
    checkin = _new_checkin(order, scan)
    checkin.save(force_insert=True)
    record("CHECKIN", order, actor=scan.actor, new=_noted(checkin, scan))
    return checkin


def _new_checkin(order: Order, scan: Scan) -> CheckIn:
    return CheckIn(
        order=order,
        admitted=scan.people or order.quantity,
        checked_in_by=scan.actor,
        device_info=_device(),
        nonce=scan.nonce,
    )


def _let_more_in(checkin: CheckIn, order: Order, scan: Scan) -> CheckIn:
    before = checkin.admitted
    checkin.order, checkin.admitted = order, before + (scan.people or 0)
    checkin.save(update_fields=["admitted"])
    record("CHECKIN", order, actor=scan.actor, old={"admitted": before}, new=_noted(checkin, scan))
    return checkin


def _noted(checkin: CheckIn, scan: Scan) -> dict[str, Any]:
    """For the audit. The check-in itself remembers only the scan that made it."""
    by_hand = {"nonce": scan.nonce} if scan.people and scan.nonce else {}
    return {"admitted": checkin.admitted, **by_hand}


def _is_repeat(scan: Scan, earlier: CheckIn) -> bool:
    if earlier.nonce == scan.nonce:
        return True
    done = AuditLog.objects.filter(entity_type="order", entity_id=earlier.order_id, action="CHECKIN")
    return done.filter(new_value__nonce=scan.nonce).exists()


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
    inside = earlier.admitted if earlier else 0
    if earlier is not None and (scan.people is None or inside == order.quantity):
        earlier.order = order
        raise _already(earlier)
    if scan.people is not None and not 0 < scan.people <= order.quantity - inside:
        left = order.quantity - inside
        raise TooManyPeople(f"This order admits {left} more." if inside else f"This order admits {left}.")


def _already(checkin: CheckIn) -> AlreadyCheckedIn:
    local = timezone.localtime(checkin.checked_in_at)
    people, whole = checkin.admitted, checkin.order.quantity
    who = f"{people} of {whole} were let in" if people < whole else "Already let in"
    return AlreadyCheckedIn(f"{who} at {local:%H:%M}.", checkedInAt=timestamp(checkin.checked_in_at))


def _keep_refusal(scan: Scan, refusal: Refused, seen: Order | None) -> None:
    """After the rollback, in a transaction of its own. A repeated scan is kept once."""
    row = RefusedScan(
        order=seen or Order.objects.filter(presented(scan.text)).first(),
        code=refusal.code,
        presented_hash=scan.fingerprint,
        nonce=scan.nonce,
        scanned_by=scan.actor,
        device_info=_device(),
    )
    insert_or_ignore(row)


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
