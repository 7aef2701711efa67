"""The money of orders: taken, given back or disputed, and what a person decided about it."""

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q

from homeproductions.constraints import UUIDModel, created_at, one_of

from .deliveries import WebhookDelivery
from .orders import Order


class PaymentKind(models.TextChoices):
    CHARGE = "charge", "money taken"
    REFUND = "refund", "money given back"
    DISPUTE = "dispute", "money disputed by the payer"


class PaymentReview(models.TextChoices):
    NONE = "", "nothing to look at"
    LATE = "late_payment", "the order was already cancelled or refunded, or its night is off"
    DOUBLE = "double_payment", "the order was already paid"
    AMOUNT = "amount_mismatch", "amount or currency differ from the order"
    UNKNOWN = "unknown_order", "no order matches"
    UNCLEAR = "unclear_notice", "the notice does not say whether money was taken"
    REFUND_FIRST = "refund_before_payment", "money was given back that never arrived here"
    REFUND_INSIDE = "refund_after_check_in", "the guest is already inside"
    REFUND_DUE = "refund_due", "the office refunded the order; the provider has not given the money back yet"
    REFUND_FAILED = "refund_failed", "the refund failed at the provider"
    PARTIAL = "partial_refund", "only a part was given back"
    DISPUTE = "dispute", "the payer disputes the payment"


class PaymentOutcome(models.TextChoices):
    NONE = "", "open"
    ASSIGNED = "assigned", "assigned to an order"
    ACCEPTED = "accepted_late", "accepted late, as a new order"
    REFUNDED = "refunded", "given back"
    IGNORED = "ignored", "nothing to do"


class Payment(UUIDModel):
    """One movement of money that a provider told us about, counted once. A charge either pays its order or waits for
    a person with a `needs_review` reason until `outcome` says what they did; it is never dropped."""

    Kind = PaymentKind
    Review = PaymentReview
    Outcome = PaymentOutcome

    order = models.ForeignKey(Order, null=True, blank=True, on_delete=models.PROTECT, related_name="payments")
    delivery = models.ForeignKey(
        WebhookDelivery, null=True, blank=True, on_delete=models.PROTECT, related_name="payments"
    )
    # For a refund or a dispute: the charge it takes back, once that is known.
    charge = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="taken_back_by")
    kind = models.CharField(max_length=20, choices=PaymentKind.choices, default=PaymentKind.CHARGE)
    provider = models.CharField(max_length=50)
    reference = models.CharField(max_length=255)
    checkout_reference = models.CharField(max_length=255, null=True, blank=True)
    # Minor units (cents), as providers count; None when the notice did not say.
    amount_minor = models.BigIntegerField(null=True, blank=True)
    fee_minor = models.BigIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True, default="")
    payer_email = models.CharField(max_length=255, blank=True, default="")
    needs_review = models.CharField(
        max_length=30, choices=PaymentReview.choices, blank=True, default=PaymentReview.NONE
    )
    outcome = models.CharField(max_length=20, choices=PaymentOutcome.choices, blank=True, default=PaymentOutcome.NONE)
    outcome_note = models.TextField(blank=True, default="")
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = created_at()

    class Meta:
        db_table = "payments"
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "kind", "reference"], name="unique_payment_per_reference"),
            models.UniqueConstraint(
                fields=["provider", "checkout_reference"],
                condition=Q(checkout_reference__isnull=False, kind="charge"),
                name="unique_payment_per_checkout",
            ),
            one_of("kind", PaymentKind, name="payment_kind_known"),
            one_of("needs_review", PaymentReview, name="payment_review_known"),
            one_of("outcome", PaymentOutcome, name="payment_outcome_known"),
            models.CheckConstraint(
                name="payment_outcome_has_its_moment",
                condition=Q(outcome="", reviewed_at__isnull=True) | (~Q(outcome="") & Q(reviewed_at__isnull=False)),
            ),
        ]
        indexes = [
            models.Index(
                fields=["-created_at"],
                name="payment_to_review",
                condition=Q(reviewed_at__isnull=True) & ~Q(needs_review=""),
            ),
            models.Index(fields=["-created_at", "-id"], name="payment_newest"),
            # Few have a reason or an outcome.
            models.Index(
                fields=["needs_review", "-created_at"], name="payment_by_review", condition=~Q(needs_review="")
            ),
            models.Index(fields=["outcome", "-created_at"], name="payment_by_outcome", condition=~Q(outcome="")),
            # Told before its charge, which each new charge asks for.
            models.Index(
                fields=["provider"],
                name="payment_told_early",
                condition=Q(charge__isnull=True, outcome="") & ~Q(kind="charge"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.reference}"

    @property
    def is_waiting(self) -> bool:
        """A person has to look at it."""
        return bool(self.needs_review) and not self.outcome

    @property
    def is_no_money(self) -> bool:
        """Its notice says that nothing came, or less than nothing: no such amount can pay for anything."""
        return self.amount_minor is not None and self.amount_minor <= 0

    @property
    def amount_text(self) -> str:
        """For people: `51.00 USD`, or that the notice did not say."""
        if self.amount_minor is None:
            return "an unknown amount"
        return f"{Decimal(self.amount_minor) / 100:.2f} {self.currency}".strip()
