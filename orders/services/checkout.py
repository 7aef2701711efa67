"""Selling: an order is placed and its seats are taken, or nothing happens at all."""

import secrets
import string
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from events.errors import SoldOut
from events.models import TicketTier
from events.queries import find_tier, look
from events.services.seats import check_is_offered, check_on_sale, take
from homeproductions import origin
from homeproductions.errors import Refused
from homeproductions.mail.models import OutboxEmail
from homeproductions.statements import saved
from orders import codes, journal, mails
from orders.models import Order

from . import holds, idempotency, payments
from .idempotency import Attempt

NUMBER_ALPHABET = string.digits + string.ascii_uppercase
NUMBER_LENGTH = 8
# A number may be taken already, or the tier have changed since it was looked at.
TRIES = 5
DEFAULT_REFERRAL = "direct"
TEST = "test"


@dataclass(frozen=True)
class Placed:
    """An order and the state it was first answered in; it may have moved on since."""

    order: Order
    first_status: str


def place_once(attempt: Attempt | None, **wish: Any) -> Placed:
    """`place_order` for a client that may send the same attempt again: it gets the order it already has.

    Raises KeyReused and whatever `place_order` raises; a refused attempt may be made again.
    """
    if attempt is None:
        order = place_order(**wish)
        return Placed(order, order.status)
    earlier = _placed(attempt)
    if earlier is not None:
        return earlier
    try:
        order = place_order(attempt=attempt, **wish)
    except (Refused, IntegrityError):
        # A twin may have been faster, and even have taken the last seats: then its order is the answer.
        earlier = _placed(attempt)
        if earlier is None:
            raise
        return earlier
    return Placed(order, order.status)


def _placed(attempt: Attempt) -> Placed | None:
    known = idempotency.find(attempt)
    return Placed(known.order, known.first_status) if known is not None and known.order is not None else None


def place_order(*, event_id: UUID, tier_id: UUID, quantity: int, attempt: Attempt | None = None, **buyer: Any) -> Order:
    """A pending order that holds its seats for a while; a free one is paid at once and its ticket mailed.

    `buyer` holds the order's other fields (buyer_name, buyer_email, payment_method, referral_source and so on).
    Raises TierNotFound and whatever `check_on_sale` raises. Unit price and currency are copied from the tier.
    """
    now = timezone.now()
    for is_first in (True, *[False] * (TRIES - 1)):
        # Unlocked, at most a second old: the many who come too late must not queue for the lock of the few. What it
        # lets through is decided by `_sell`, on the tier as it is then.
        tier = look(event_id, tier_id, anew=not is_first)
        check_on_sale(tier, quantity, now=now)
        order = _pending(tier, quantity, buyer, now)
        try:
            if _sell(tier, order, attempt):
                return order
        except IntegrityError as error:
            if not _is_number_collision(error):
                raise
    raise SoldOut(available=tier.available)  # what is given back is gone again before we come


def _pending(tier: TicketTier, quantity: int, buyer: dict[str, Any], now: datetime) -> Order:
    hold = holds.length(tier.event) if tier.price else None
    expires_at = now + hold if hold is not None else None
    return new_order(tier, quantity, {**buyer, **_origin(), "hold_expires_at": expires_at}, now)


def _sell(tier: TicketTier, order: Order, attempt: Attempt | None) -> bool:
    """Store the order and take its seats, if they are there and the tier is as it was looked at; else do nothing."""
    if attempt is None and order.total_price:
        return _store(tier, order, mails.received(order))
    try:
        with transaction.atomic():
            return _sell_once(tier, order, attempt)
    except _Untaken:
        return False


class _Untaken(Exception):
    """Takes back what its transaction has done."""


def _sell_once(tier: TicketTier, order: Order, attempt: Attempt | None) -> bool:
    if attempt is not None:  # before the tier's lock, which must not wait for a twin
        idempotency.claim(attempt, order.pk)
    if not _store(tier, order, *[mails.received(order)] if order.total_price else []):
        raise _Untaken
    if not order.total_price:
        payments.mark_paid(order, provider="free", reference=order.order_number)
        if attempt is not None:
            idempotency.note_answer(attempt, order.status)
    return True


def _store(tier: TicketTier, order: Order, *mail: OutboxEmail) -> bool:
    moment = take(tier, order.quantity, order, journal.reservation(order), *mail)
    if moment is None:
        return False
    order.created_at = order.updated_at = moment
    saved(order)
    return True


def insert(
    tier: TicketTier, quantity: int, buyer: dict[str, Any], now: datetime, order_id: UUID | None = None
) -> Order:
    """A pending order at the tier's price, in the caller's transaction, which has taken its seats."""
    order = new_order(tier, quantity, buyer, now, order_id)
    order.save(force_insert=True)
    return order


def new_order(
    tier: TicketTier, quantity: int, buyer: dict[str, Any], now: datetime, order_id: UUID | None = None
) -> Order:
    """The unsaved pending order."""
    order_id = order_id or uuid.uuid4()
    return Order(
        id=order_id,
        order_number=new_order_number(now),
        event=tier.event,
        tier=tier,
        quantity=quantity,
        qr_code_hash=codes.hash_code(codes.code_for(order_id, 1)),
        **{
            "unit_price": tier.price,
            "total_price": tier.price * quantity,
            "currency": tier.currency,
            **buyer,
            "referral_source": buyer.get("referral_source") or DEFAULT_REFERRAL,
        },
    )


def _origin() -> dict[str, str | None]:
    here = origin.current()
    return {"ip_address": here.ip, "user_agent": here.user_agent}


def place_test_order(
    *, event_id: UUID, tier_id: UUID, quantity: int, actor: User, send_email: bool, **buyer: Any
) -> Order:
    """A paid order to try things out with: its ticket is real, but it takes no stock and earns no revenue.

    Raises TierNotFound, EventNotActive or TierNotActive.
    """
    now = timezone.now()
    tier = find_tier(event_id, tier_id)
    check_is_offered(tier)
    buyer = {**buyer, "payment_method": TEST, "referral_source": "admin_test", "is_test": True}
    with transaction.atomic():
        order = insert(tier, quantity, {**buyer, **_origin()}, now)
        reference = f"TEST-{int(now.timestamp() * 1000)}"
        payments.mark_paid(order, provider=TEST, reference=reference, actor=actor, send_ticket=send_email)
    return order


def new_order_number(now: datetime) -> str:
    """`HP261123-4K7Q0ZPA`: the UTC date and eight characters nobody can guess from another number."""
    left, tail = secrets.randbelow(len(NUMBER_ALPHABET) ** NUMBER_LENGTH), ""
    for _ in range(NUMBER_LENGTH):
        left, place = divmod(left, len(NUMBER_ALPHABET))
        tail += NUMBER_ALPHABET[place]
    return f"HP{now.astimezone(UTC):%y%m%d}-{tail}"


def _is_number_collision(error: IntegrityError) -> bool:
    diagnosis = getattr(error.__cause__, "diag", None)
    return "order_number" in (getattr(diagnosis, "constraint_name", None) or "")
