"""Selling to people who stand in front of us, and giving tickets away. Both are paid the moment they are made."""

import uuid
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from audit.services import record
from events.models import TicketTier
from events.queries import find_tier
from events.services.seats import reserve_paid
from homeproductions.errors import Invalid, MissingFields
from orders import journal
from orders.errors import KeyReused
from orders.models import Order

from . import checkin, idempotency
from .checkout import insert
from .idempotency import Attempt
from .settlement import mark_paid

# How figures tell them apart: `payment_provider`, and at the door `payment_method`.
DOOR, COMP = "door", "comp"
METHODS = {"cash": "Cash", "card": "Card"}
NAMELESS = "Walk-in"
LARGEST = 100


@dataclass(frozen=True)
class Wish:
    """What somebody at the desk wants for a guest. `attempt` is the form's own name: pressed twice, it sells once."""

    event_id: UUID
    tier_id: UUID
    quantity: int
    name: str = ""
    email: str = ""
    phone: str = ""
    attempt: str = ""


def sell(wish: Wish, *, method: str, actor: User, receipt: str = "", let_in: bool = False) -> Order:
    """A paid order for somebody who has just paid here, and who may go straight in. Their ticket is mailed if they
    leave an address. The money is in the till or the card reader: no provider will tell of it.

    Raises Invalid, TierNotFound, EventNotActive, SaleEnded or SoldOut, and if they go in what `check_in` raises.
    """
    if method not in METHODS:
        raise Invalid("Say how it was paid.")
    if let_in:
        checkin.refuse_before_the_night(find_tier(wish.event_id, wish.tier_id).event)
    paid = {"provider": DOOR, "reference": receipt.strip()[:255] or None}
    return _once(wish, {"payment_method": method, "referral_source": DOOR}, paid, actor, let_in=let_in)


def give_away(wish: Wish, *, reason: str, actor: User) -> Order:
    """A paid order of price zero, for the reason given. It takes seats like any other.

    Raises MissingFields, Invalid, TierNotFound, EventNotActive, SaleEnded or SoldOut.
    """
    if not reason.strip():
        raise MissingFields("Say why these tickets are given away.")
    free = {"unit_price": 0, "total_price": 0, "payment_method": COMP, "referral_source": COMP}
    # The reason may name people, so it stands with the order and not in the audit.
    return _once(wish, free, {"provider": COMP, "reference": reason.strip()[:255]}, actor)


def _once(wish: Wish, terms: dict[str, Any], paid: dict[str, Any], actor: User, *, let_in: bool = False) -> Order:
    if not 0 < wish.quantity <= LARGEST:
        raise Invalid(f"quantity: 1 to {LARGEST}.")
    tier = find_tier(wish.event_id, wish.tier_id)
    attempt = Attempt.of(wish.attempt, {**vars(wish), **terms, **paid}) if wish.attempt else None
    try:
        return _placed(attempt) or _make(tier, wish, terms, paid, actor, attempt, let_in=let_in)
    except IntegrityError:
        twin = _placed(attempt)  # the form was sent twice at once
        if twin is None:
            raise
        return twin


def _placed(attempt: Attempt | None) -> Order | None:
    try:
        known = idempotency.find(attempt) if attempt is not None else None
    except KeyReused as error:
        raise Invalid("This form has sold something else already. Open it once more.") from error
    return known.order if known is not None else None


@transaction.atomic
def _make(
    tier: TicketTier,
    wish: Wish,
    terms: dict[str, Any],
    paid: dict[str, Any],
    actor: User,
    attempt: Attempt | None,
    *,
    let_in: bool,
) -> Order:
    now, order_id = timezone.now(), uuid.uuid4()
    if attempt is not None:  # before the tier's lock, which must not wait for a twin
        idempotency.claim(attempt, order_id)
    tier = reserve_paid(tier.pk, wish.quantity, now=now)
    buyer = {"buyer_name": wish.name or NAMELESS, "buyer_email": wish.email, "buyer_phone": wish.phone or None}
    order = insert(tier, wish.quantity, {**buyer, **terms}, now, order_id)
    journal.reserved(order)
    record("CREATE", order, actor=actor, new={"provider": paid["provider"], "quantity": order.quantity})
    mark_paid(order, **paid, actor=actor)
    if let_in:
        checkin.check_in(checkin.Scan(text=order.order_number, actor=actor))
    return order
