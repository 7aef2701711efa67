"""One module for each payment provider: verify the raw bytes, then say what they mean as Notices."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    PAID = "paid"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Notice:
    """What a provider says about one payment. Amounts are minor units (cents); None when it did not say."""

    outcome: Outcome
    order_reference: str = ""
    reference: str = ""
    amount_minor: int | None = None
    currency: str = ""
    payer_email: str = ""


class Unreadable(Exception):
    """Signed, but not a notice this provider's module understands. It is kept for a person."""
