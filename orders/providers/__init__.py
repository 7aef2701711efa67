"""One module for each payment provider: verify the raw bytes, then say what they mean as Notices.

Each module has `NAME`, `is_configured()`, `recognises(headers)`, `verify(headers, body)`, `speaks(body)` and
`notices(body)`; `registry` chooses among them.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    CHARGE = "charge"
    REFUND = "refund"
    DISPUTE = "dispute"


class Outcome(StrEnum):
    PAID = "paid"  # the money moved; for a refund: back to the guest
    PENDING = "pending"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    OPEN = ""
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True)
class Notice:
    """What a provider says about one movement of money. Amounts are minor units (cents); None when it did not say."""

    outcome: Outcome
    kind: Kind = Kind.CHARGE
    order_reference: str = ""
    # The provider's own id of this charge, refund or dispute.
    reference: str = ""
    # The checkout that was paid: the one thing that all notices of a payment have in common.
    checkout_reference: str = ""
    # Other ids by which the charge may be known here: for a refund or dispute the charge that it takes back.
    charge_references: tuple[str, ...] = ()
    amount_minor: int | None = None
    # The amount is all that was given back of the charge so far, not one more part of it.
    is_total: bool = False
    fee_minor: int | None = None
    currency: str = ""
    payer_email: str = ""
    # How a dispute ended, where the provider says so.
    verdict: Verdict = Verdict.OPEN


class Unreadable(Exception):
    """Signed, but not a notice this provider's module understands. It is kept for a person."""
