"""What the worker loop does for orders."""

from datetime import timedelta

import structlog
from django.db.models import F
from django.utils import timezone

from homeproductions import chores

from .models import WebhookDelivery
from .services import payments

log = structlog.get_logger(__name__)

# The request that stored a delivery normally applies it within milliseconds.
GRACE = timedelta(seconds=30)
BATCH = 100


def apply_waiting_deliveries() -> int:
    """Apply deliveries whose request died or failed before it could. Returns how many were applied."""
    waiting = WebhookDelivery.objects.filter(
        status__in=(WebhookDelivery.Status.RECEIVED, WebhookDelivery.Status.FAILED),
        received_at__lt=timezone.now() - GRACE,
    ).order_by("attempts", "received_at")  # one that keeps failing waits behind the others
    applied = 0
    for delivery_id in list(waiting.values_list("pk", flat=True)[:BATCH]):
        try:
            payments.apply_delivery(delivery_id)
            applied += 1
        except Exception as error:  # one delivery that fails must not keep the others waiting
            failed = WebhookDelivery.objects.filter(pk=delivery_id)
            failed.update(status=WebhookDelivery.Status.FAILED, attempts=F("attempts") + 1, reason=type(error).__name__)
            log.error("delivery not applied", delivery=str(delivery_id), **chores.outline(error))
    return applied


chores.register("apply waiting deliveries", timedelta(seconds=30), apply_waiting_deliveries)
