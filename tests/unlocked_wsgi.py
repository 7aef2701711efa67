"""The application with the tier's lock taken out: the control that shows the stampede test can fail."""

import time

from homeproductions.wsgi import application

from events import services  # isort: skip  (models can be imported only after the application is set up)
from events.models import TicketTier  # isort: skip


def read_without_lock(tier_id):
    tier = TicketTier.objects.select_related("event").get(pk=tier_id)
    time.sleep(0.3)  # others look at the same number meanwhile
    return tier


services.lock_tier = read_without_lock

__all__ = ["application"]
