"""Which nights are still to come."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from events import queries
from tests.factories import make_event

HOUSE = ZoneInfo("America/Guatemala")
SATURDAY = date(2026, 5, 2)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def house_clock(settings):
    settings.TIME_ZONE = str(HOUSE)


def names(hour, day=SATURDAY, minute=0):
    now = datetime.combine(day, time(hour, minute), HOUSE)
    return [night.name for night in queries.coming(now)]


def test_active_nights_come_in_the_order_of_their_start():
    make_event(name="late", event_date=SATURDAY, event_time=time(23))
    make_event(name="next week", event_date=SATURDAY + timedelta(days=7))
    make_event(name="early", event_date=SATURDAY, event_time=time(16))
    for status in ("draft", "cancelled", "completed", "deleted"):
        make_event(event_date=SATURDAY, status=status)

    assert names(hour=12) == ["early", "late", "next week"]


def test_a_night_lasts_until_the_next_morning():
    make_event(name="Saturday", event_date=SATURDAY, event_time=time(21))
    sunday = SATURDAY + timedelta(days=1)

    assert names(hour=23) == ["Saturday"]
    assert names(8, sunday, minute=59) == ["Saturday"]
    assert names(9, sunday) == []


def test_a_matinee_is_over_on_the_same_day():
    make_event(name="breakfast", event_date=SATURDAY, event_time=time(8))

    assert names(hour=19, minute=59) == ["breakfast"]
    assert names(hour=20) == []
