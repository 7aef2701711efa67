"""What is in the file of revenue: it agrees with the statistics, however it is cut."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from orders import season as figures
from orders import statistics
from orders.models import JournalEntry
from tests.factories import make_event, make_order, make_tier

from .exports import take

pytestmark = pytest.mark.django_db


@pytest.fixture
def season():
    """Two nights, two currencies, a refund, money that was not the price, and a fee."""
    night, other = make_event(name="Luna"), make_event(name="Sol")
    general, vip = make_tier(night), make_tier(night, name="VIP", price=100)
    make_order(general, "paid", quantity=2)
    make_order(general, "refunded")
    make_order(general, "cancelled")
    make_order(vip, "paid", is_test=True)
    in_quetzales = make_tier(other, price=400, currency="GTQ")
    make_order(in_quetzales, "paid")
    order = make_order(vip, "paid")
    entry = {"order": order, "event": night, "tier": vip}
    JournalEntry.objects.create(kind="adjustment", amount=-100, currency="USD", **entry)
    JournalEntry.objects.create(kind="adjustment", amount=780, currency="GTQ", **entry)
    JournalEntry.objects.create(kind="fee", amount=-30, currency="GTQ", **entry)
    yesterday = timezone.now() - timedelta(days=1)
    JournalEntry.objects.create(kind="refund", amount="-5.50", currency="GTQ", created_at=yesterday, **entry)
    return night


def sums(rows, column="Revenue"):
    by_currency = {}
    for row in rows:
        by_currency[row["Currency"]] = by_currency.get(row["Currency"], 0) + Decimal(str(row[column]))
    return by_currency


@pytest.mark.parametrize("by", ["event", "tier", "day"])
@pytest.mark.parametrize("format_name", ["csv", "xlsx"])
def test_revenue_agrees_with_the_statistics_by_currency(office, season, by, format_name):
    rows = take(office, "revenue", format_name, by=by)

    assert sums(rows) == figures.total(figures.season()).earned == {"USD": Decimal("51.00"), "GTQ": Decimal("1174.50")}
    assert sums(rows, "Fees") == {"USD": 0, "GTQ": -30}
    of_night = take(office, "revenue", format_name, by=by, event_id=season.pk)
    assert sums(of_night) == figures.season()[season.pk].earned == {"USD": Decimal("51.00"), "GTQ": Decimal("774.50")}


def test_revenue_has_a_row_for_each_thing_and_currency(office, season):
    def keys(by, *names):
        return [tuple(row[name] for name in names) for row in take(office, "revenue", by=by)]

    assert keys("event", "Event", "Currency") == [("Luna", "GTQ"), ("Luna", "USD"), ("Sol", "GTQ")]
    assert sorted(keys("tier", "Tier", "Currency", "Revenue")) == [
        ("General", "GTQ", "400.00"),
        ("General", "USD", "51.00"),
        ("VIP", "GTQ", "774.50"),
        ("VIP", "USD", "0.00"),
    ]
    today, yesterday = (str(timezone.localdate() - timedelta(days=days)) for days in (0, 1))
    assert keys("day", "Day", "Currency", "Refunds") == [
        (yesterday, "GTQ", "-5.50"),
        (today, "GTQ", "0.00"),
        (today, "USD", "-25.50"),
    ]


def test_revenue_adds_up_within_a_row(office, season):
    for row in take(office, "revenue", by="tier"):
        money = {name: Decimal(row[name]) for name in ("Sales", "Adjustments", "Refunds", "Revenue", "Fees")}
        assert money["Sales"] + money["Adjustments"] + money["Refunds"] == money["Revenue"]
        assert money["Revenue"] + money["Fees"] == Decimal(row["After fees"])
    paid = sum(int(row["Tickets paid"]) for row in take(office, "revenue"))
    assert paid == figures.total(figures.season()).tickets + 1  # one was refunded since


def test_revenue_by_day_agrees_with_the_days_of_the_dashboard(office, season):
    days = statistics.per_day(timezone.localdate(), 5)

    rows = take(office, "revenue", by="day", first_day=days[0].date, last_day=days[-1].date)

    found = {(row["Day"], row["Currency"]): Decimal(row["Revenue"]) for row in rows}
    assert found == {(str(day.date), currency): sum for day in days for currency, sum in day.earned.items()}


def test_two_nights_of_one_name_stay_apart(office):
    for _ in range(2):
        make_order(make_tier(make_event(name="Luna")), "paid")

    assert len(take(office, "revenue")) == 2


def test_revenue_of_some_days_is_what_was_booked_then(office, season):
    yesterday = timezone.localdate() - timedelta(days=1)

    [row] = take(office, "revenue", last_day=yesterday)

    assert (row["Currency"], row["Revenue"]) == ("GTQ", "-5.50")
