"""The office's screens for orders, their money and their door."""

from . import checkins, deliveries, events, journal, orders, payments  # noqa: F401  (they register themselves)
