"""Events and tiers as guests see them (contract 2.3)."""

from typing import Any

from rest_framework import serializers

from homeproductions.api import Money, NightDate, NightTime


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
