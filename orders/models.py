"""Orders, the money for them, and who was let in."""

from decimal import Decimal

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils import timezone

from homeproductions.constraints import UUIDModel, created_at, one_of, touch_updated_at, updated_at

# What a guest bought and said never changes; payment, hold, code and time columns stay writable.
FROZEN_FIELDS = [
    "id",
    "order_number",
    "event",
    "tier",
    "buyer_name",
    "buyer_email",
    "buyer_phone",
    "buyer_country",
    "buyer_nationality",
    "quantity",
    "unit_price",
    "total_price",
    "currency",
    "referral_source",
    "ip_address",
    "user_agent",
    "is_test",
    "replaces",
    "created_at",
]


class OrderStatus(models.TextChoices):
    PENDING = "pending"
    PAID = "paid"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


class Order(UUIDModel):
    """A guest's tickets of one tier. Content is frozen by a trigger; status moves only along the graph."""

    Status = OrderStatus
    order_number = models.CharField(max_length=50, unique=True)
    event = models.ForeignKey("events.Event", on_delete=models.PROTECT, related_name="orders")
    tier = models.ForeignKey("events.TicketTier", on_delete=models.PROTECT, related_name="orders")
    buyer_name = models.CharField(max_length=255)
    buyer_email = models.CharField(max_length=255)
    buyer_phone = models.CharField(max_length=50, null=True, blank=True)
    # Where mail really reaches the guest, once somebody has found out; what they typed stays beside it.
    corrected_email = models.CharField(max_length=255, null=True, blank=True)
    buyer_country = models.CharField(max_length=100, null=True, blank=True)
    buyer_nationality = models.CharField(max_length=100, null=True, blank=True)
    quantity = models.IntegerField(default=1)
    unit_price = models.DecimalField(max_digits=10, decimal_places=2)
    total_price = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3, default="USD")
    status = models.CharField(max_length=50, choices=Status.choices, default=Status.PENDING)
    payment_method = models.CharField(max_length=50, null=True, blank=True)
    payment_provider = models.CharField(max_length=50, null=True, blank=True)
    payment_reference = models.CharField(max_length=255, null=True, blank=True)
    payment_confirmed_at = models.DateTimeField(null=True, blank=True)
    payment_confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # The ticket code itself is derived when it is needed (services/tickets.py); a dump of this table admits nobody.
    qr_code_hash = models.CharField(max_length=64, unique=True)
    code_version = models.PositiveIntegerField(default=1)
    qr_code_url = models.TextField(null=True, blank=True)
    referral_source = models.CharField(max_length=100, null=True, blank=True)
    is_test = models.BooleanField(default=False)
    # The closed order in whose place this one was made, for money that came too late.
    replaces = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="successors")
    # A checkout made for this order at a provider: its id there and the address where the guest pays.
    checkout_provider = models.CharField(max_length=50, null=True, blank=True)
    checkout_reference = models.CharField(max_length=255, null=True, blank=True)
    checkout_url = models.TextField(null=True, blank=True)
    hold_expires_at = models.DateTimeField(null=True, blank=True)
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.TextField(null=True, blank=True)
    created_at = created_at()
    updated_at = updated_at()
    cancelled_at = models.DateTimeField(null=True, blank=True)
    refunded_at = models.DateTimeField(null=True, blank=True)
    # Since when it no longer says who bought it (services/forgetting.py).
    forgotten_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "orders"
        ordering = ["-created_at"]
        constraints = [
            one_of("status", OrderStatus, name="order_status_known"),
            models.CheckConstraint(name="order_quantity_positive", condition=Q(quantity__gt=0)),
            models.CheckConstraint(
                name="order_prices_not_negative", condition=Q(unit_price__gte=0, total_price__gte=0)
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="order_newest"),
            models.Index(fields=["event", "-created_at"], name="order_of_event"),
            # With what the figures need, so that these are read from the index alone.
            models.Index(fields=["tier", "status"], include=["quantity", "is_test", "id"], name="order_of_tier"),
            models.Index(
                fields=["status", "-created_at"], include=["is_test", "referral_source"], name="order_by_status"
            ),
            models.Index(fields=["-created_at"], name="order_of_test", condition=Q(is_test=True)),
            models.Index(Lower("buyer_email"), name="order_by_email"),
            models.Index(
                Lower("corrected_email"), name="order_by_corrected_email", condition=Q(corrected_email__isnull=False)
            ),
            models.Index(
                fields=["checkout_provider", "checkout_reference"],
                name="order_of_checkout",
                condition=Q(checkout_reference__isnull=False),
            ),
            models.Index(fields=["hold_expires_at"], name="order_hold_due", condition=Q(status="pending")),
            models.Index(
                fields=["payment_provider", "-created_at"],
                name="order_by_provider",
                condition=Q(payment_provider__isnull=False),
            ),
        ]
        triggers = [
            touch_updated_at(),
            pgtrigger.ReadOnly(name="order_content_immutable", fields=FROZEN_FIELDS),
            pgtrigger.FSM(
                name="order_status_graph",
                field="status",
                transitions=[("pending", "paid"), ("pending", "cancelled"), ("paid", "refunded")],
            ),
            # FSM does not look at INSERT.
            pgtrigger.Protect(
                name="order_starts_pending",
                operation=pgtrigger.Insert,
                condition=~pgtrigger.Q(new__status="pending"),
            ),
            pgtrigger.Protect(name="order_never_deleted", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return self.order_number

    @property
    def mail_address(self) -> str:
        """Where mail of this order goes; empty for somebody who bought at the door and left none."""
        return self.corrected_email or self.buyer_email


class DeliveryStatus(models.TextChoices):
    RECEIVED = "received"
    APPLIED = "applied"
    IGNORED = "ignored"
    FAILED = "failed"


class WebhookDelivery(UUIDModel):
    """A signed notice of a provider, stored as it came before anything is done about it."""

    Status = DeliveryStatus
    provider = models.CharField(max_length=50)
    event_id = models.CharField(max_length=255)
    # Raw bytes: jsonb refuses NUL, merges duplicate keys and would not verify again.
    body = models.BinaryField()
    headers = models.JSONField(default=dict)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.RECEIVED)
    reason = models.TextField(blank=True, default="")
    attempts = models.PositiveIntegerField(default=0)
    received_at = created_at()
    processed_at = models.DateTimeField(null=True, blank=True)
    # Since when it holds only what the money is about; the signature in it no longer fits.
    forgotten_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "webhook_deliveries"
        verbose_name_plural = "webhook deliveries"
        ordering = ["-received_at"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="unique_delivery_per_provider_event"),
            one_of("status", DeliveryStatus, name="delivery_status_known"),
        ]
        indexes = [
            models.Index(
                fields=["received_at"],
                name="delivery_waiting",
                condition=Q(status__in=["received", "failed"]),
            ),
            models.Index(fields=["-received_at"], name="delivery_newest"),
            models.Index(fields=["received_at"], name="delivery_remembered", condition=Q(forgotten_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.event_id}"


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


class JournalKind(models.TextChoices):
    RESERVED = "reserved", "seats held by a new order"
    RELEASED = "released", "seats given back"
    SALE = "sale", "an order was paid"
    ADJUSTMENT = "adjustment", "the money that came was not the price"
    REFUND = "refund", "money given back"
    FEE = "fee", "kept by the provider"


class JournalEntry(UUIDModel):
    """A movement of seats or money, added in the transaction that made it and never changed. Every figure of the
    season is a sum of these rows; test orders write none."""

    Kind = JournalKind

    kind = models.CharField(max_length=20, choices=JournalKind.choices)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="journal")
    event = models.ForeignKey("events.Event", on_delete=models.PROTECT, related_name="+")
    tier = models.ForeignKey("events.TicketTier", on_delete=models.PROTECT, related_name="journal")
    payment = models.ForeignKey(Payment, null=True, blank=True, on_delete=models.PROTECT, related_name="journal")
    # Signed: seats +2 taken, -2 given back; money +51.00 earned, -51.00 refunded or paid in fees.
    seats = models.IntegerField(default=0)
    amount = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    currency = models.CharField(max_length=3)
    created_at = created_at()

    class Meta:
        db_table = "journal"
        verbose_name_plural = "journal entries"
        ordering = ["-created_at"]
        constraints = [
            one_of("kind", JournalKind, name="journal_kind_known"),
            # What happens once to an order is written once, whatever is repeated or raced.
            models.UniqueConstraint(
                fields=["order", "kind"],
                condition=Q(kind__in=["reserved", "released", "sale"]),
                name="unique_journal_step_per_order",
            ),
        ]
        indexes = [
            models.Index(fields=["event", "kind"], name="journal_of_event"),
            models.Index(fields=["tier", "kind"], name="journal_of_tier"),
            models.Index(fields=["-created_at"], name="journal_newest"),
            # What was earned, day by day, read from the index alone.
            models.Index(
                fields=["created_at"],
                include=["currency", "amount"],
                name="journal_of_money",
                condition=Q(kind__in=["sale", "adjustment", "refund"]),
            ),
            # What a night earned, read from the index alone.
            models.Index(
                fields=["event", "currency"],
                include=["amount"],
                name="journal_earned_by_event",
                condition=Q(kind__in=["sale", "adjustment", "refund"]),
            ),
        ]
        triggers = [pgtrigger.Protect(name="journal_append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.kind} {self.order_id}"


class PaidOrders(models.TextChoices):
    REFUND = "refund", "Refund every paid order, except those of guests who were let in"
    REFUND_ALL = "refund_all", "Refund every paid order, also those of guests who were let in"
    KEEP = "keep", "Keep them paid for now: we write to these guests about their money"


class Cancellation(UUIDModel):
    """That a night was called off, and what becomes of its orders. They are worked off one by one; until all of them
    are, `finished_at` is empty."""

    PaidOrders = PaidOrders

    event = models.OneToOneField("events.Event", on_delete=models.PROTECT, related_name="cancellation")
    paid_orders = models.CharField(max_length=20, choices=PaidOrders.choices)
    # By the clock of the database, like the mails that are compared with it.
    started_at = models.DateTimeField(db_default=Now())
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "cancellations"
        constraints = [one_of("paid_orders", PaidOrders, name="cancellation_choice_known")]
        indexes = [
            models.Index(fields=["started_at"], name="cancellation_unfinished", condition=Q(finished_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"cancellation of {self.event_id}"


class IdempotencyKey(UUIDModel):
    """A client's own name for one attempt to order, so that a double tap orders once. Kept for 24 hours; the answer
    is not stored: the order's frozen content gives the same one again."""

    key_hash = models.CharField(max_length=64, unique=True)
    body_hash = models.CharField(max_length=64)
    order = models.ForeignKey(Order, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    first_status = models.CharField(max_length=50, blank=True, default="")
    created_at = created_at()

    class Meta:
        db_table = "idempotency_keys"
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_age")]

    def __str__(self) -> str:
        return self.key_hash[:8]


class CheckIn(UUIDModel):
    """An order that was let in, with the number of people admitted so far."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="checkins")
    admitted = models.PositiveIntegerField()
    checked_in_at = models.DateTimeField(default=timezone.now)
    checked_in_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    device_info = models.CharField(max_length=255, null=True, blank=True)
    location_info = models.CharField(max_length=255, null=True, blank=True)
    notes = models.TextField(null=True, blank=True)
    # The scanner's own id of this scan: the same scan sent again gets the same answer.
    nonce = models.CharField(max_length=100, null=True, blank=True)

    class Meta:
        db_table = "checkins"
        ordering = ["-checked_in_at"]
        constraints = [
            models.UniqueConstraint(fields=["order"], name="unique_order_checkin"),
            models.CheckConstraint(name="checkin_admits_somebody", condition=Q(admitted__gt=0)),
        ]
        indexes = [models.Index(fields=["-checked_in_at"], name="checkin_newest")]
        triggers = [
            pgtrigger.Trigger(
                name="checkin_within_order",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update,
                func="""
                    IF NEW.admitted > (SELECT quantity FROM orders WHERE id = NEW.order_id) THEN
                        RAISE EXCEPTION 'checkin_within_order: more people than tickets'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'checkin_within_order';
                    END IF;
                    RETURN NEW;
                """,
            )
        ]

    def __str__(self) -> str:
        return f"{self.order_id} at {self.checked_in_at:%H:%M}"


class RefusedScan(UUIDModel):
    """A scan that was turned away and why. What was read is kept only as a hash: it may be a real ticket code."""

    order = models.ForeignKey(Order, null=True, blank=True, on_delete=models.PROTECT, related_name="refused_scans")
    code = models.CharField(max_length=50)
    presented_hash = models.CharField(max_length=64)
    nonce = models.CharField(max_length=100, null=True, blank=True)
    scanned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    device_info = models.CharField(max_length=255, null=True, blank=True)
    scanned_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "refused_scans"
        ordering = ["-scanned_at"]
        constraints = [
            models.UniqueConstraint(fields=["presented_hash", "nonce"], name="unique_refusal_per_scan"),
        ]
        indexes = [models.Index(fields=["-scanned_at"], name="refused_scan_newest")]

    def __str__(self) -> str:
        return f"{self.code} at {self.scanned_at:%H:%M}"
