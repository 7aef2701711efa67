"""Selling: an order is placed and its seats are taken, or nothing happens at all."""

import secrets
import string
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from events.models import TicketTier
from events.services import check_is_offered, check_on_sale, find_tier, reserve
from homeproductions import origin
from homeproductions.errors import Refused
from orders import codes, journal, mails
from orders.models import Order

from . import holds, idempotency, payments
from .idempotency import Attempt

NUMBER_ALPHABET = string.digits + string.ascii_uppercase
NUMBER_LENGTH = 8
NUMBER_TRIES = 5
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
    # Cheap and unlocked: the many who come too late must not queue for the lock of the few.
    tier = find_tier(event_id, tier_id)
    check_on_sale(tier, quantity, now=now)
    hold = holds.length(tier.event)
    for tries_left in reversed(range(NUMBER_TRIES)):
        try:
            return _sell(tier_id, quantity, buyer, now, hold, attempt)
        except IntegrityError as error:
            if not tries_left or not _is_number_collision(error):
                raise
    raise AssertionError("unreachable")


@transaction.atomic
def _sell(
    tier_id: UUID,
    quantity: int,
    buyer: dict[str, Any],
    now: datetime,
    hold: timedelta | None,
    attempt: Attempt | None,
) -> Order:
    order_id = uuid.uuid4()
    if attempt is not None:  # before the tier's lock, which must not wait for a twin
        idempotency.claim(attempt, order_id)
    tier = reserve(tier_id, quantity, now=now)
    expires_at = now + hold if hold is not None and tier.price else None
    order = insert(tier, quantity, {**buyer, **_origin(), "hold_expires_at": expires_at}, now, order_id)
    journal.reserved(order)
    if order.total_price == 0:
        payments.mark_paid(order, provider="free", reference=order.order_number)
        if attempt is not None:
            idempotency.note_answer(attempt, order.status)
    else:
        mails.queue_received(order)
    return order


def insert(
    tier: TicketTier, quantity: int, buyer: dict[str, Any], now: datetime, order_id: UUID | None = None
) -> Order:
    """A pending order at the tier's price, in the caller's transaction, which has taken its seats."""
    order_id = order_id or uuid.uuid4()
    return Order.objects.create(
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
    tail = "".join(secrets.choice(NUMBER_ALPHABET) for _ in range(NUMBER_LENGTH))
    return f"HP{now.astimezone(UTC):%y%m%d}-{tail}"


def _is_number_collision(error: IntegrityError) -> bool:
    diagnosis = getattr(error.__cause__, "diag", None)
    return "order_number" in (getattr(diagnosis, "constraint_name", None) or "")
