"""The application with its look at the locked row taken out: the control that shows the stampede test can fail."""

import time

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from homeproductions.wsgi import application

from events.models import TicketTier  # isort: skip  (models can be imported only after the application is set up)
from orders.services import checkout  # isort: skip


def read_and_write(seen, quantity, *rows):
    tier = TicketTier.objects.get(pk=seen.pk)
    if tier.available < quantity:
        return None
    time.sleep(0.3)  # others look at the same number meanwhile
    with transaction.atomic():
        TicketTier.objects.filter(pk=seen.pk).update(sold=F("sold") + quantity)
        for row in rows:
            row.save(force_insert=True)
    return timezone.now()


checkout.take = read_and_write

__all__ = ["application"]
