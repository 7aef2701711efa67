"""Nights that were called off."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from homeproductions.constraints import UUIDModel, one_of


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
