"""What payment providers sent, as it came."""

from django.db import models
from django.db.models import Q

from homeproductions.constraints import UUIDModel, created_at, one_of

from .orders import Order


class DeliveryStatus(models.TextChoices):
    RECEIVED = "received"
    APPLIED = "applied"
    IGNORED = "ignored"
    FAILED = "failed"


# Stored, and still to be applied.
WAITING = (DeliveryStatus.RECEIVED.value, DeliveryStatus.FAILED.value)


class WebhookDelivery(UUIDModel):
    """A signed notice of a provider, stored as it came before anything is done about it."""

    Status = DeliveryStatus
    WAITING = WAITING
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
    # Which order it is about, and when the worker looked for that, once it was applied (services/strays.py).
    order = models.ForeignKey(
        Order, null=True, blank=True, on_delete=models.PROTECT, related_name="notices", db_index=False
    )
    looked_at = models.DateTimeField(null=True, blank=True)
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
                condition=Q(status__in=[*WAITING]),
            ),
            models.Index(fields=["-received_at"], name="delivery_newest"),
            models.Index(fields=["order"], name="delivery_of_order", condition=Q(order__isnull=False)),
            models.Index(
                fields=["received_at", "id"],
                name="delivery_unseen",
                condition=Q(looked_at__isnull=True, forgotten_at__isnull=True),
            ),
            models.Index(
                fields=["received_at", "id"],
                name="delivery_of_nobody",
                condition=Q(looked_at__isnull=False, order__isnull=True, forgotten_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.event_id}"
