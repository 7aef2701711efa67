"""Idempotency-Key: a client's own name for one attempt to order, so that a double tap orders once.

The row of a key commits together with its order, so a refusal leaves none and the same key may try again.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from homeproductions.errors import Invalid
from orders.errors import KeyReused
from orders.models import IdempotencyKey, Order

KEY = re.compile(r"[\x20-\x7e]{1,255}")
KEPT = timedelta(hours=24)


@dataclass(frozen=True)
class Attempt:
    """What is stored of a key and the body that came with it."""

    key_hash: str
    body_hash: str

    @classmethod
    def of(cls, key: str, body: Mapping[str, Any]) -> "Attempt":
        """`body` is the validated one: the same wish in another spelling is the same. Raises Invalid."""
        if not KEY.fullmatch(key):
            raise Invalid("Idempotency-Key: 1 to 255 printable ASCII characters.")
        text = json.dumps(body, sort_keys=True, default=str)
        # The body holds a name and an address, which could be guessed from a plain hash; the key is not stored.
        keyed = hmac.new(key.encode(), text.encode(), hashlib.sha256)
        return cls(hashlib.sha256(key.encode()).hexdigest(), keyed.hexdigest())


def find(attempt: Attempt) -> IdempotencyKey | None:
    """The key with the order it got, None when it is new. Raises KeyReused when it came with another body: whoever
    merely knows or guesses a key learns nothing about the order behind it."""
    keys = IdempotencyKey.objects.select_related("order__event", "order__tier")
    known = keys.filter(key_hash=attempt.key_hash).first()
    if known is not None and not hmac.compare_digest(known.body_hash, attempt.body_hash):
        raise KeyReused
    return known


def claim(attempt: Attempt, order_id: UUID) -> None:
    """Take the key for the order that this transaction is about to insert (the foreign key is checked at its end).

    A twin of this request waits here until the first has committed, and then gets IntegrityError, or was refused,
    and then goes on. Call it before the tier is locked, or the twin would wait holding the lock the first needs.
    """
    IdempotencyKey.objects.create(
        key_hash=attempt.key_hash,
        body_hash=attempt.body_hash,
        order_id=order_id,
        first_status=Order.Status.PENDING,
    )


def note_answer(attempt: Attempt, status: str) -> None:
    """Remember, in the transaction of `claim`, that the order was first answered in another state than pending."""
    IdempotencyKey.objects.filter(key_hash=attempt.key_hash).update(first_status=status)


def forget_old(now: datetime | None = None) -> int:
    """Delete the keys that are older than a day. Returns how many there were."""
    deleted, _ = IdempotencyKey.objects.filter(created_at__lt=(now or timezone.now()) - KEPT).delete()
    return deleted
