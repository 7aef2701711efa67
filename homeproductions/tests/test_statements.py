"""SQL of our own gives what the ORM would."""

import pytest

from homeproductions.reading import fetch_with
from orders.models import Order
from tests.factories import make_event, make_order, make_tier

pytestmark = pytest.mark.django_db
NIGHT = {"artists": ["Ana", "Luz"], "metadata": {"doors": [1, 2]}}


def values_of(row):
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_row_comes_with_what_it_belongs_to(django_assert_num_queries):
    expected = make_order(make_tier(make_event(**NIGHT)), ip_address="203.0.113.9")
    make_order()

    with django_assert_num_queries(1):
        found = fetch_with(Order, ("event", "tier"), "orders.id = %s", expected.pk)
        rows = [values_of(row) for row in (found, found.event, found.tier)]

    expected = Order.objects.select_related("event", "tier").get(pk=expected.pk)
    assert rows == [values_of(row) for row in (expected, expected.event, expected.tier)]
    assert found.event.metadata == {"doors": [1, 2]}


def test_row_that_is_not_there_is_none():
    assert fetch_with(Order, ("event",), "orders.id = %s", None) is None


def test_found_row_saves_as_any_other():
    order = fetch_with(Order, ("event", "tier"), "orders.id = %s", make_order().pk)
    order.corrected_email = "new@example.com"

    order.save(update_fields=["corrected_email"])

    assert Order.objects.get().corrected_email == "new@example.com"
