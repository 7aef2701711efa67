"""Albums and pictures for the office: /api/admin/gallery.

The same routes serve two kinds of client: one that thinks in albums, and the admin front end, which knows pictures
only (contract 4.6). A title or an album's id means the first, `image_url` or a picture's id the second.
"""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from accounts.authentication import require_user
from accounts.permissions import IsOffice
from gallery import queries
from gallery.models import Gallery
from gallery.services import albums, flat_images, uploads
from homeproductions import pictures
from homeproductions.api import ok
from homeproductions.openapi import SIGNED_IN, Message, refusals
from homeproductions.shapes import shown, shown_all
from homeproductions.views import ApiView

from .serializers import (
    AdminAlbumAnswer,
    AdminAlbumDetailSerializer,
    AdminAlbumInListSerializer,
    AdminAlbumListAnswer,
    AlbumBody,
    AlbumChangeBody,
    AlbumOrImageBody,
    AlbumOrImageChangeBody,
    AlbumPermitBody,
    CreatedAnswer,
    ImageBody,
    ImageChangeBody,
    ItemSerializer,
    ItemsQuery,
)


class AdminGalleryList(ApiView):
    """All albums, newest first, and all their pictures in one list."""

    permission_classes = (IsOffice,)

    @extend_schema(
        parameters=[
            OpenApiParameter("event_id", str, description="Only `items` of this event. Also as `eventId`."),
            OpenApiParameter("search", str, description="Only `items` with this text in the caption."),
        ],
        responses={200: AdminAlbumListAnswer, **refusals(_400="VALIDATION_ERROR", **SIGNED_IN)},
        tags=["admin: gallery"],
    )
    def get(self, request: Request) -> HttpResponse:
        items = queries.images(**ItemsQuery.parse_data(request.query_params))
        galleries = shown_all(AdminAlbumInListSerializer, queries.albums())
        return ok(galleries=galleries, count=len(galleries), items=shown_all(ItemSerializer, items))

    @extend_schema(
        request=AlbumOrImageBody,
        responses={
            201: CreatedAnswer,
            **refusals(_400="VALIDATION_ERROR", _404="EVENT_NOT_FOUND", **SIGNED_IN),
        },
        tags=["admin: gallery"],
    )
    def post(self, request: Request) -> HttpResponse:
        actor = require_user(request)
        if is_image(request.data):
            image = flat_images.add_image(actor=actor, **ImageBody.parse(request))
            return ok(status=201, item=shown(ItemSerializer, image), message="The picture was added.")
        album = albums.create_album(actor=actor, **AlbumBody.parse(request))
        return ok(status=201, gallery={"id": str(album.pk), "title": album.title}, message="The gallery was created.")


class AdminGalleryDetail(ApiView):
    """One album; to change or delete, also one picture by its own id."""

    permission_classes = (IsOffice,)

    @extend_schema(
        responses={200: AdminAlbumAnswer, **refusals(_404="GALLERY_NOT_FOUND", **SIGNED_IN)}, tags=["admin: gallery"]
    )
    def get(self, request: Request, reference: str) -> HttpResponse:
        return ok(gallery=shown(AdminAlbumDetailSerializer, queries.album(reference)))

    @extend_schema(
        request=AlbumOrImageChangeBody,
        responses={
            200: Message,
            **refusals(_400="VALIDATION_ERROR", _404="GALLERY_NOT_FOUND, EVENT_NOT_FOUND", **SIGNED_IN),
        },
        tags=["admin: gallery"],
    )
    def put(self, request: Request, reference: str) -> HttpResponse:
        actor = require_user(request)
        found = queries.album_or_image(reference)
        if isinstance(found, Gallery):
            albums.update_album(found.pk, AlbumChangeBody.parse(request), actor=actor)
            return ok(message="The gallery was saved.")
        flat_images.update_image(found.pk, ImageChangeBody.parse(request), actor=actor)
        return ok(message="The picture was saved.")

    @extend_schema(responses={200: Message, **refusals(_404="GALLERY_NOT_FOUND", **SIGNED_IN)}, tags=["admin: gallery"])
    def delete(self, request: Request, reference: str) -> HttpResponse:
        """An album goes with all its pictures."""
        actor = require_user(request)
        found = queries.album_or_image(reference)
        if isinstance(found, Gallery):
            albums.delete_album(found.pk, actor=actor)
            return ok(message="The gallery was deleted.")
        flat_images.delete_image(found.pk, actor=actor)
        return ok(message="The picture was deleted.")


class SignGalleryUpload(ApiView):
    """A permit to upload one picture straight to the image host, for an album or before there is one."""

    permission_classes = (IsOffice,)

    @extend_schema(
        request=AlbumPermitBody,
        responses={
            200: pictures.UploadPermit,
            **refusals(_400="CLOUDINARY_NOT_CONFIGURED, VALIDATION_ERROR", _404="GALLERY_NOT_FOUND", **SIGNED_IN),
        },
        tags=["admin: uploads"],
    )
    def post(self, request: Request) -> HttpResponse:
        actor = require_user(request)
        return ok(**uploads.sign_upload(gallery_id=AlbumPermitBody.parse(request).get("gallery_id"), actor=actor))


def is_image(data: Any) -> bool:
    """Whether a body of these shared routes means a single picture: an address of one, and no title."""
    if not isinstance(data, Mapping):
        return False
    return not _given(data.get("title")) and any(_given(data.get(name)) for name in ("imageUrl", "image_url"))


def _given(value: Any) -> bool:
    return value is not None and (not isinstance(value, str) or value.strip() != "")
