"""Pictures of nights: /api/admin/upload."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from accounts.authentication import require_user
from accounts.permissions import IsOffice
from events import images
from events.errors import EventNotFound
from events.queries import as_uuid
from homeproductions import pictures
from homeproductions.api import ok
from homeproductions.fields import OptionalText, OptionalUUID
from homeproductions.openapi import SIGNED_IN, Message, refusals
from homeproductions.request_data import RequestBody
from homeproductions.views import ApiView


@extend_schema_field(OpenApiTypes.STR)
class PictureField(serializers.Field[Any, Any, Any, Any]):
    """A data URI of an image or a web address. Looked at as a whole, since it may be megabytes long."""

    default_error_messages = {
        "blank": "This field may not be blank.",
        "invalid": "Send a data URI of a JPEG, PNG, WebP, GIF, AVIF or HEIC picture, or a web address (http or https).",
    }

    def to_internal_value(self, data: Any) -> str:
        if data == "":
            self.fail("blank")
        if not isinstance(data, str) or not pictures.is_picture(data):
            self.fail("invalid")
        return data


class EventPermitBody(RequestBody):
    eventId = OptionalUUID(source="event_id")
    folder = OptionalText(help_text="Ignored unless it is one of the shared folders.")


class EventImageBody(RequestBody):
    image = PictureField(help_text="A data URI of a picture, or its http(s) address.")


class EventImageAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    imageUrl = serializers.CharField()
    publicId = serializers.CharField()
    message = serializers.CharField()


class SignUpload(ApiView):
    """A permit to upload one picture straight to the image host, for a night or into a shared folder."""

    permission_classes = (IsOffice,)

    @extend_schema(
        request=EventPermitBody,
        responses={
            200: pictures.UploadPermit,
            **refusals(_400="CLOUDINARY_NOT_CONFIGURED, VALIDATION_ERROR", _404="EVENT_NOT_FOUND", **SIGNED_IN),
        },
        tags=["admin: uploads"],
    )
    def post(self, request: Request) -> HttpResponse:
        body = EventPermitBody.parse(request)
        permit = images.sign_upload(
            event_id=body.get("event_id"), folder=body.get("folder"), actor=require_user(request)
        )
        return ok(**permit)


class EventImage(ApiView):
    """The picture of a night. A new one is uploaded before the old one goes."""

    permission_classes = (IsOffice,)

    @extend_schema(
        request=EventImageBody,
        responses={
            200: EventImageAnswer,
            **refusals(
                _400="MISSING_REQUIRED_FIELDS, VALIDATION_ERROR, CLOUDINARY_NOT_CONFIGURED",
                _404="EVENT_NOT_FOUND",
                _413="PAYLOAD_TOO_LARGE",
                _502="UPLOAD_FAILED: the image host is away",
                **SIGNED_IN,
            ),
        },
        tags=["admin: uploads"],
    )
    def post(self, request: Request, event_id: str) -> HttpResponse:
        pictures.check_configured()
        image = EventImageBody.parse(request)["image"]
        picture = images.set_image(known_uuid(event_id), image, actor=require_user(request))
        return ok(imageUrl=picture.url, publicId=picture.public_id, message="The picture was saved.")

    @extend_schema(
        responses={
            200: Message,
            **refusals(_400="CLOUDINARY_NOT_CONFIGURED", _404="EVENT_NOT_FOUND", **SIGNED_IN),
        },
        tags=["admin: uploads"],
    )
    def delete(self, request: Request, event_id: str) -> HttpResponse:
        removed = images.remove_image(known_uuid(event_id), actor=require_user(request))
        return ok(message="The picture was removed." if removed else "There was no picture.")


def known_uuid(text: str) -> UUID:
    """The id of a path. Raises EventNotFound for what cannot be one."""
    event_id = as_uuid(text)
    if event_id is None:
        raise EventNotFound
    return event_id
