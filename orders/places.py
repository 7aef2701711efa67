"""Where captured money is. At any moment each charge has exactly one place; `doctor` names those that have none."""

from enum import StrEnum
from typing import Any

from django.db.models import Case, CharField, Exists, Max, OuterRef, Q, QuerySet, Sum, Value, When

from .models import Order, Payment

Kind, Review, Outcome = Payment.Kind, Payment.Review, Payment.Outcome
# A charge with one of these outcomes, and nothing to look at, is the money of its order.
SETTLED = (Outcome.NONE, Outcome.ASSIGNED, Outcome.ACCEPTED)
IS_WAITING = ~Q(needs_review=Review.NONE) & Q(outcome=Outcome.NONE)
# A refund that its payer does not have: it waits for a person until somebody, or the provider, says it is done.
OWED = (Review.REFUND_FAILED, Review.REFUND_DUE)
# The row that holds the running total of a charge, beside the rows of its single refunds.
TOTAL_PREFIX = "total:"


class Place(StrEnum):
    TICKETED = "ticketed"
    RETURNED = "given back"
    WAITING = "waiting for a person"
    DISMISSED = "no concern of ours, as a person noted"
    NOWHERE = "nowhere"


def with_place(charges: QuerySet[Payment]) -> QuerySet[Any]:
    """The charges with their `place`, the only definition of it. `NOWHERE` must not happen."""
    owed = Payment.objects.filter(IS_WAITING, charge=OuterRef("pk"), needs_review__in=OWED)
    return charges.annotate(
        place=Case(
            When(IS_WAITING | Exists(owed), then=Value(Place.WAITING)),
            When(outcome=Outcome.REFUNDED, then=Value(Place.RETURNED)),
            When(outcome=Outcome.IGNORED, then=Value(Place.DISMISSED)),
            When(order__status=Order.Status.PAID, then=Value(Place.TICKETED)),
            When(order__status=Order.Status.REFUNDED, then=Value(Place.RETURNED)),
            default=Value(Place.NOWHERE),
            output_field=CharField(),
        )
    )


def waiting_charges() -> QuerySet[Payment]:
    """Money that was taken and waits for a person."""
    return Payment.objects.filter(IS_WAITING, kind=Kind.CHARGE)


def settled_charges() -> QuerySet[Payment]:
    """Charges that are the money of the order they name."""
    return Payment.objects.filter(kind=Kind.CHARGE, outcome__in=SETTLED).exclude(IS_WAITING)


def given_back(charge: Payment) -> int:
    """Minor units that the payer has back by now. Providers tell of single refunds, of their total, or of both; a lost
    dispute gives back as well; a refund that is owed does not, until a person says it was made."""
    rows = charge.taken_back_by.filter(Q(currency="") | Q(currency=charge.currency))
    is_due = Q(needs_review=Review.REFUND_DUE) & ~Q(outcome=Outcome.REFUNDED)
    has_failed = Q(needs_review=Review.REFUND_FAILED) & ~Q(outcome=Outcome.REFUNDED)
    is_total = Q(reference__startswith=TOTAL_PREFIX)
    is_refund, is_lost = Q(kind=Kind.REFUND), Q(kind=Kind.DISPUTE, outcome=Outcome.REFUNDED)
    sums = rows.aggregate(
        single=Sum("amount_minor", filter=is_refund & ~is_total & ~is_due),
        failed=Sum("amount_minor", filter=is_refund & ~is_total & has_failed),
        total=Max("amount_minor", filter=is_refund & is_total),
        disputed=Sum("amount_minor", filter=is_lost),
    )
    refunds = max(sums["single"] or 0, sums["total"] or 0) - (sums["failed"] or 0)
    return max(refunds, 0) + (sums["disputed"] or 0)
