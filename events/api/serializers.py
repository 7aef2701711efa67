"""Events and tiers on the wire, for guests (contract 2.3) and for the office (2.9)."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from events.models import Event
from events.queries import as_uuid
from homeproductions.errors import ConstraintBroken, Invalid
from homeproductions.fields import (
    INTEGER_MAX,
    EventDate,
    Money,
    NightDate,
    NightTime,
    OptionalText,
    StrictBoolean,
    StrictInteger,
    Text,
    Timestamp,
    WebAddress,
    on_one_line,
)
from homeproductions.request_data import RequestBody


class TierSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    price = Money()
    currency = serializers.CharField()
    quantity = serializers.IntegerField()
    sold = serializers.IntegerField()
    available = serializers.IntegerField()
    maxPerOrder = serializers.IntegerField(source="max_per_order")
    paymentLink = serializers.CharField(source="payment_link", allow_null=True)
    isActive = serializers.BooleanField(source="is_active")
    saleStartsAt = Timestamp(source="sale_starts_at", allow_null=True)
    saleEndsAt = Timestamp(source="sale_ends_at", allow_null=True)


class EventSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    slug = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    location = serializers.CharField()
    venue = serializers.CharField(allow_null=True)
    date = NightDate(source="event_date")
    time = NightTime(source="event_time")
    description = serializers.CharField(allow_null=True)
    type = serializers.CharField(source="event_type")
    mainArtist = serializers.CharField(source="main_artist", allow_null=True)
    artists = serializers.SerializerMethodField()
    image = serializers.CharField(source="image_url", allow_null=True)
    minAge = serializers.IntegerField(source="min_age")
    status = serializers.CharField()
    isFeatured = serializers.BooleanField(source="is_featured")
    tiers = TierSerializer(many=True)

    def get_artists(self, event: Any) -> list[str]:
        return event.artists or []


class EventListAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    events = EventSerializer(many=True)
    count = serializers.IntegerField()


class EventAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    event = EventSerializer()


# --- The office (contract 2.9) -------------------------------------------------------------------------------


class AdminTierSerializer(serializers.Serializer[Any]):
    """In snake_case inside a camelCase event, as the admin front end has always read it."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    price = Money()
    currency = serializers.CharField()
    quantity = serializers.IntegerField()
    sold = serializers.IntegerField()
    available = serializers.IntegerField()
    max_per_order = serializers.IntegerField()
    payment_link = serializers.CharField(allow_null=True)
    paymentLink = serializers.CharField(source="payment_link", allow_null=True)
    is_active = serializers.BooleanField()
    sort_order = serializers.IntegerField()
    sale_starts_at = Timestamp(allow_null=True)
    sale_ends_at = Timestamp(allow_null=True)


class AdminEventSerializer(serializers.Serializer[Any]):
    """What this leaves out, the admin front end's form would overwrite with its defaults (contract 4.3)."""

    id = serializers.UUIDField()
    slug = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    location = serializers.CharField()
    venue = serializers.CharField(allow_null=True)
    date = NightDate(source="event_date")
    event_date = EventDate()
    time = NightTime(source="event_time")
    event_time = NightTime()
    description = serializers.CharField(allow_null=True)
    type = serializers.ChoiceField(Event.Kind.choices, source="event_type")
    event_type = serializers.ChoiceField(Event.Kind.choices)
    mainArtist = serializers.CharField(source="main_artist", allow_null=True)
    main_artist = serializers.CharField(allow_null=True)
    artists = serializers.SerializerMethodField()
    image = serializers.CharField(source="image_url", allow_null=True)
    image_url = serializers.CharField(allow_null=True)
    minAge = serializers.IntegerField(source="min_age")
    min_age = serializers.IntegerField()
    status = serializers.ChoiceField(Event.Status.choices)
    isFeatured = serializers.BooleanField(source="is_featured")
    tiers = AdminTierSerializer(many=True)
    createdAt = Timestamp(source="created_at")

    def get_artists(self, event: Any) -> list[str]:
        return event.artists or []


class TierBody(RequestBody):
    """One tier of a saved event. `sold` is not here: nobody can write it from outside."""

    id = OptionalText(max_length=100)
    name = Text(max_length=255, required=False, validators=[on_one_line])
    description = OptionalText(max_length=10_000)
    price = Money(required=False)
    currency = Text(max_length=3, min_length=3, required=False)
    quantity = StrictInteger(min_value=0, max_value=INTEGER_MAX, required=False, allow_null=True)
    maxPerOrder = StrictInteger(
        source="max_per_order", min_value=1, max_value=INTEGER_MAX, required=False, allow_null=True
    )
    paymentLink = WebAddress(source="payment_link")
    isActive = StrictBoolean(source="is_active", required=False, allow_null=True)
    saleStartsAt = Timestamp(source="sale_starts_at", required=False, allow_null=True)
    saleEndsAt = Timestamp(source="sale_ends_at", required=False, allow_null=True)

    def validate_currency(self, value: str) -> str:
        if not (value.isascii() and value.isalpha()):
            raise serializers.ValidationError("Three letters, such as USD or GTQ.")
        return value.upper()

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        known = without_empty(data, ("quantity", "max_per_order", "is_active"))
        return {**known, "id": as_uuid(known.get("id") or "")}


class EventBody(RequestBody):
    """A night to plan. All fields may also come in snake_case."""

    missing = Invalid
    aliases = {
        "date": ["eventDate", "event_date"],
        "time": ["eventTime", "event_time"],
        "type": ["eventType", "event_type"],
        "image": ["imageUrl", "image_url"],
    }

    name = Text(max_length=255, validators=[on_one_line])
    location = Text(max_length=255)
    date = NightDate(source="event_date")
    time = NightTime(source="event_time", required=False, allow_null=True)
    venue = OptionalText(max_length=255)
    description = OptionalText(max_length=50_000)
    type = OptionalText(source="event_type", max_length=50)
    mainArtist = OptionalText(source="main_artist", max_length=255)
    artists = serializers.ListField(child=Text(max_length=255), required=False, allow_null=True, max_length=100)
    image = WebAddress(source="image_url")
    minAge = StrictInteger(source="min_age", min_value=0, max_value=INTEGER_MAX, required=False, allow_null=True)
    status = OptionalText(max_length=50)
    isFeatured = StrictBoolean(source="is_featured", required=False, allow_null=True)
    tiers = TierBody(many=True, required=False)

    def in_contract_casing(self, data: Mapping[str, Any]) -> dict[str, Any]:
        known = super().in_contract_casing(data)
        # An empty time in a form means: as it is. So does a list of tiers that is null.
        as_it_is = {name for name, nothing in (("time", ""), ("tiers", None)) if known.get(name, ...) == nothing}
        return {name: value for name, value in known.items() if name not in as_it_is}

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        known = without_empty(data, ("event_time", "event_type", "min_age", "status", "is_featured"))
        for name, choices in (("event_type", Event.Kind), ("status", Event.Status)):
            if name in known and known[name] not in choices.values:
                raise ConstraintBroken(f"{name}: one of {', '.join(choices.values)}.")
        return known


class EventChangeBody(EventBody):
    """The same fields, all optional: absent keeps, null or an empty text clears."""

    name = Text(max_length=255, required=False, validators=[on_one_line])
    location = Text(max_length=255, required=False)
    date = NightDate(source="event_date", required=False)


class AdminEventListAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    events = AdminEventSerializer(many=True)
    count = serializers.IntegerField()


class AdminEventAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    event = AdminEventSerializer()


class EventName(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class EventCreatedAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    event = EventName()
    message = serializers.CharField()


def without_empty(data: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Columns that cannot be empty: for them null means the same as absent."""
    return {name: value for name, value in data.items() if value is not None or name not in names}
