"""Albums for guests: /api/gallery."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from gallery import queries
from homeproductions import throttles
from homeproductions.openapi import refusals
from homeproductions.public_answers import remembered
from homeproductions.shapes import shown, shown_all
from homeproductions.views import ApiView

from .serializers import AlbumAnswer, AlbumDetailSerializer, AlbumInListSerializer, AlbumListAnswer


class GalleryList(ApiView):
    """Published albums, newest first."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (throttles.PublicReads,)

    @extend_schema(responses={200: AlbumListAnswer}, auth=[], tags=["gallery"])
    def get(self, request: Request) -> HttpResponse:
        return remembered("galleries", request._request, _published)


class GalleryDetail(ApiView):
    """One published album with its pictures in order."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (throttles.PublicReads,)

    @extend_schema(responses={200: AlbumAnswer, **refusals(_404="GALLERY_NOT_FOUND")}, auth=[], tags=["gallery"])
    def get(self, request: Request, reference: str) -> HttpResponse:
        return remembered(
            ("gallery", reference),
            request._request,
            lambda: {"gallery": shown(AlbumDetailSerializer, queries.album(reference, only_published=True))},
        )


def _published() -> dict[str, Any]:
    albums = shown_all(AlbumInListSerializer, queries.published())
    return {"galleries": albums, "count": len(albums)}
