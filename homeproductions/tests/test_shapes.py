"""What a plan shows is what DRF shows, for every serializer of ours and for every kind of row."""

import json
from copy import deepcopy
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import product
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Manager
from django.urls import get_resolver
from rest_framework import serializers

from homeproductions import health, openapi
from homeproductions.request_data import RequestBody
from homeproductions.shapes import shown, shown_all
from orders.models import Order

MOMENT = datetime(2027, 2, 14, 22, 30, 0, 987_654, tzinfo=UTC)
# Of every type that a field may meet, also of those that it should not.
VALUES = (
    "ñandú",
    "",
    "17",
    "true",
    17,
    0,
    True,
    Decimal("25.50"),
    Decimal("51.00"),
    MOMENT,
    date(2027, 2, 14),
    time(21, 0),
    UUID(int=7),
    Order.Status.PAID,
    {"a": 1},
    [],
    None,
    lambda: "called",
    lambda: None,
    lambda needed: needed,
    len,
)
# What method fields read.
READ_BY_METHODS = {
    "artists": None,
    "first_image": None,
    "cover_image_url": "https://a/c",
    "amount_minor": 1250,
    "fee_minor": None,
    "needs_review": "dispute",
    "created_at": MOMENT,
    "checkout_url": None,
    "tier": SimpleNamespace(payment_link="https://a/pay"),
}


def every_serializer():
    get_resolver().url_patterns  # noqa: B018 (imports all of them)
    found, waiting = [], [serializers.Serializer]
    while waiting:
        subclasses = waiting.pop().__subclasses__()
        waiting += subclasses
        found += [each for each in subclasses if not issubclass(each, RequestBody)]
    ours = {module.__name__.split(".")[0] for module in (health,)} | {"accounts", "events", "gallery", "orders"}
    return sorted({each for each in found if each.__module__.split(".")[0] in ours}, key=lambda each: each.__qualname__)


SERIALIZERS = every_serializer()


class Row(SimpleNamespace):
    """As an object; a relation that leads nowhere says so."""

    def __getattribute__(self, name):
        value = super().__getattribute__(name)
        if value is ObjectDoesNotExist:
            raise ObjectDoesNotExist
        return value


def fitting(field):
    """A value as such a field usually shows it."""
    if isinstance(field, serializers.ListSerializer):
        return [row_for(field.child, fitting), row_for(field.child, lambda field: None)]
    if isinstance(field, serializers.BaseSerializer):
        return row_for(field, fitting)
    if isinstance(field, serializers.DictField):
        return {"GTQ": fitting(field.child)}
    by_kind = {
        serializers.UUIDField: UUID(int=7),
        serializers.DateTimeField: MOMENT,
        serializers.DateField: date(2027, 2, 14),
        serializers.TimeField: time(21, 0),
        serializers.DecimalField: Decimal("25.50"),
        serializers.IntegerField: 17,
        serializers.BooleanField: True,
        serializers.ListField: ["a", "b"],
    }
    return next((value for kind, value in by_kind.items() if isinstance(field, kind)), "ñandú")


def row_for(serializer, value_of, make=Row):
    row = make(**deepcopy(READ_BY_METHODS))
    for field in serializer.fields.values():
        put(row, field.source_attrs, value_of(field), make)
    return row


def put(row, path, value, make):
    for part in path[:-1]:
        row = names(row).setdefault(part, make())
    if path:
        names(row)[path[-1]] = value


def take_away(row, path):
    for part in path[:-1]:
        row = names(row)[part]
    if path:
        names(row).pop(path[-1], None)


def names(row):
    return row if isinstance(row, dict) else vars(row)


def outcome(act):
    """What comes out of it, in the order of its fields and with the types of its values, or what it raises."""
    try:
        answer = act()
    except Exception as error:
        return type(error)
    return json.dumps(answer, default=lambda value: f"{type(value)} {value!r}")


def assert_same(serializer, row):
    theirs = outcome(lambda: serializer.to_representation(row))
    assert outcome(lambda: shown(type(serializer), row)) == theirs
    return theirs


@pytest.mark.parametrize("kind", SERIALIZERS, ids=lambda each: each.__name__)
def test_plan_shows_what_drf_shows(kind):
    serializer = kind()

    answer = assert_same(serializer, row_for(serializer, fitting))

    assert list(json.loads(answer)) == list(serializer.fields)


@pytest.mark.parametrize("kind", SERIALIZERS, ids=lambda each: each.__name__)
def test_plan_shows_what_drf_shows_of_odd_rows(kind):
    serializer = kind()

    for value, make in product(VALUES, (Row, dict)):
        assert_same(serializer, row_for(serializer, lambda field, value=value: value, make))
    for field in serializer.fields.values():
        row = row_for(serializer, fitting)
        take_away(row, field.source_attrs)
        assert_same(serializer, row)


class Child(serializers.Serializer):
    name = serializers.CharField()


class Parent(serializers.Serializer):
    secret = serializers.CharField(write_only=True)
    child = Child()
    children = Child(many=True)
    missing = serializers.CharField(required=False)
    fallback = serializers.CharField(default="instead")
    key = serializers.PrimaryKeyRelatedField(source="child", read_only=True)


class Louder(Child):
    def to_representation(self, row):
        return {"name": row.name.upper()}


class Few(Manager):
    def all(self):
        return [SimpleNamespace(name="one"), SimpleNamespace(name="two")]


def test_fields_of_every_kind():
    child = SimpleNamespace(name="a", pk=5)

    assert shown(Parent, SimpleNamespace(child=child, children=Few())) == {
        "child": {"name": "a"},
        "children": [{"name": "one"}, {"name": "two"}],
        "fallback": "instead",
        "key": 5,
    }
    for row in (SimpleNamespace(child=child, children=[]), SimpleNamespace(children=[child]), Row(child=None)):
        assert_same(Parent(), row)
    assert_same(Parent(), Row(child=ObjectDoesNotExist, children=[], key=1))


def test_serializer_with_its_own_way_keeps_it():
    assert shown_all(Louder, [SimpleNamespace(name="a"), SimpleNamespace(name="b")]) == [{"name": "A"}, {"name": "B"}]


def test_all_serializers_are_compared():
    assert {health.HealthAnswer, openapi.Message} < set(SERIALIZERS)
    assert len(SERIALIZERS) > 40
