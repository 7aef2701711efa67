"""Which days our nights, their sales and questions about them may name."""

from datetime import date, datetime

from django.utils import timezone

# No night of ours lies outside; dates near the ends of the calendar break arithmetic on them, and a moment that is
# another day in another zone cannot be read back from the database.
FIRST_NIGHT, LAST_NIGHT = date(2000, 1, 1), date(2100, 12, 31)
OUTSIDE = f"The date must be between {FIRST_NIGHT.year} and {LAST_NIGHT.year}."


def is_ours(day: date) -> bool:
    return FIRST_NIGHT <= day <= LAST_NIGHT


def is_in_our_days(moment: datetime) -> bool:
    """By the date that is written, in whatever zone: turning an extreme moment into ours is what fails."""
    return is_ours(moment.date()) and is_ours(timezone.localdate(moment))
