"""What guests ordered."""

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

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
