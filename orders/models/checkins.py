"""Who was let in, and who was turned away."""

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from homeproductions.constraints import UUIDModel

from .orders import Order


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
