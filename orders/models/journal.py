"""The journal of seats and money."""

import pgtrigger
from django.db import models
from django.db.models import Q

from homeproductions.constraints import UUIDModel, created_at, one_of

from .orders import Order
from .payments import Payment


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
