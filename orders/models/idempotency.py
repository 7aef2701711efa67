"""Attempts to order, so that one that is repeated orders once."""

from django.db import models

from homeproductions.constraints import UUIDModel, created_at

from .orders import Order


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
