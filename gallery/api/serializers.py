"""Albums and pictures on the wire: for guests (contract 2.6), for the office (2.11) and as single pictures (4.6)."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from homeproductions import pictures
from homeproductions.errors import Invalid
from homeproductions.fields import (
    INTEGER_MAX,
    NightDate,
    OptionalText,
    OptionalUUID,
    StrictBoolean,
    StrictInteger,
    Text,
    Timestamp,
    WebAddress,
)
from homeproductions.request_data import RequestBody

# --- Guests -------------------------------------------------------------------------------------------------


class AlbumSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    title = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    coverUrl = serializers.SerializerMethodField()
    eventId = serializers.UUIDField(source="event_id", allow_null=True)
    eventName = serializers.CharField(source="event.name", allow_null=True)
    eventDate = NightDate(source="event.event_date", allow_null=True)
    photographer = serializers.CharField(allow_null=True)
    createdAt = Timestamp(source="created_at")

    def get_coverUrl(self, album: Any) -> str | None:
        return album.first_image or album.cover_image_url


class AlbumInListSerializer(AlbumSerializer):
    imageCount = serializers.IntegerField(source="image_count")


class ImageSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    url = serializers.CharField(source="image_url")
    thumbnail = serializers.CharField(source="thumbnail_url", allow_null=True)
    caption = serializers.CharField(allow_null=True)


class AlbumDetailSerializer(AlbumSerializer):
    images = ImageSerializer(many=True)


class AlbumListAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    galleries = AlbumInListSerializer(many=True)
    count = serializers.IntegerField()


class AlbumAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    gallery = AlbumDetailSerializer()


# --- The office ---------------------------------------------------------------------------------------------


class AdminAlbumSerializer(serializers.Serializer[Any]):
    """`coverUrl` is the stored one, so that a form which sends back what it got changes nothing."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    coverUrl = serializers.CharField(source="cover_image_url", allow_null=True)
    eventId = serializers.UUIDField(source="event_id", allow_null=True)
    eventName = serializers.CharField(source="event.name", allow_null=True)
    photographer = serializers.CharField(allow_null=True)
    isPublished = serializers.BooleanField(source="is_published")
    createdAt = Timestamp(source="created_at")


class AdminAlbumInListSerializer(AdminAlbumSerializer):
    imageCount = serializers.IntegerField(source="image_count")


class AdminImageSerializer(ImageSerializer):
    cloudinaryId = serializers.CharField(source="cloudinary_public_id", allow_null=True)
    sortOrder = serializers.IntegerField(source="sort_order")


class AdminAlbumDetailSerializer(AdminAlbumSerializer):
    images = AdminImageSerializer(many=True)


class ItemSerializer(serializers.Serializer[Any]):
    """One picture as the admin front end's page reads it, in both casings."""

    id = serializers.UUIDField()
    image_url = serializers.CharField()
    imageUrl = serializers.CharField(source="image_url")
    thumbnail_url = serializers.CharField(allow_null=True)
    caption = serializers.CharField(allow_null=True)
    event_id = serializers.UUIDField(source="gallery.event_id", allow_null=True)
    eventId = serializers.UUIDField(source="gallery.event_id", allow_null=True)
    is_featured = serializers.BooleanField()
    isFeatured = serializers.BooleanField(source="is_featured")
    sort_order = serializers.IntegerField()
    sortOrder = serializers.IntegerField(source="sort_order")
    gallery_id = serializers.UUIDField()


class AdminAlbumListAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    galleries = AdminAlbumInListSerializer(many=True)
    count = serializers.IntegerField(help_text="The number of galleries.")
    items = ItemSerializer(many=True)


class AdminAlbumAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    gallery = AdminAlbumDetailSerializer()


class AlbumTitle(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    title = serializers.CharField()


class CreatedAnswer(serializers.Serializer[Any]):
    """`gallery` for an album, `item` for a single picture."""

    success = serializers.BooleanField()
    gallery = AlbumTitle(required=False)
    item = ItemSerializer(required=False)
    message = serializers.CharField()


# --- Requests -----------------------------------------------------------------------------------------------


class PublicId(OptionalText):
    """The image host's id of a picture, by which this server may remove it one day."""

    default_error_messages = {"public_id": "This is not an id of the image host."}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not pictures.is_public_id(text):
            self.fail("public_id")
        return text


class ItemsQuery(RequestBody):
    eventId = OptionalUUID(source="event_id")
    search = OptionalText(max_length=500)


class AlbumImageBody(RequestBody):
    url = WebAddress(source="image_url", required=True, allow_null=False, allow_blank=False)
    thumbnail = WebAddress(source="thumbnail_url", help_text="The picture itself when absent.")
    caption = OptionalText(max_length=500)
    cloudinaryId = PublicId(source="cloudinary_public_id")


class AlbumBody(RequestBody):
    missing = Invalid

    title = Text(max_length=255)
    description = OptionalText(max_length=50_000)
    eventId = OptionalUUID(source="event_id")
    photographer = OptionalText(max_length=255)
    isPublished = StrictBoolean(source="is_published", required=False, allow_null=True)
    coverUrl = WebAddress(source="cover_image_url")
    images = AlbumImageBody(many=True, required=False, max_length=2000)  # type: ignore[call-arg]

    def validate_isPublished(self, value: bool | None) -> bool:
        return bool(value)

    def in_contract_casing(self, data: Mapping[str, Any]) -> dict[str, Any]:
        # An empty list means no pictures; null is no list at all, and pictures are not thrown away on a guess.
        known = super().in_contract_casing(data)
        return {name: value for name, value in known.items() if name != "images" or value is not None}


class AlbumChangeBody(AlbumBody):
    """The same fields, all optional: absent keeps, null or an empty text clears, `images` replaces the whole list."""

    title = Text(max_length=255, required=False)


class ImageBody(RequestBody):
    """One picture; all but its address may be absent."""

    missing = Invalid

    imageUrl = WebAddress(source="image_url", required=True, allow_null=False, allow_blank=False)
    thumbnailUrl = WebAddress(source="thumbnail_url")
    caption = OptionalText(max_length=500)
    cloudinaryId = PublicId(source="cloudinary_public_id")
    eventId = OptionalUUID(source="event_id")
    isFeatured = StrictBoolean(source="is_featured", required=False, allow_null=True)
    sortOrder = StrictInteger(
        source="sort_order", min_value=-INTEGER_MAX, max_value=INTEGER_MAX, required=False, allow_null=True
    )

    def validate_isFeatured(self, value: bool | None) -> bool:
        return bool(value)

    def validate_sortOrder(self, value: int | None) -> int:
        return value or 0


class ImageChangeBody(ImageBody):
    imageUrl = WebAddress(source="image_url", allow_null=False, allow_blank=False)


class AlbumOrImageBody(AlbumBody, ImageBody):
    """An album (with `title`) or a single picture (with `imageUrl` and without `title`). All fields may also come in
    snake_case."""

    title = Text(max_length=255, required=False)
    imageUrl = WebAddress(source="image_url")


class AlbumOrImageChangeBody(AlbumOrImageBody):
    """For the id of an album its fields, for the id of a picture the picture's. Absent keeps, null or an empty text
    clears; `images` replaces the album's whole list."""


class AlbumPermitBody(RequestBody):
    galleryId = OptionalUUID(source="gallery_id")
