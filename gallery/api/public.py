"""Albums for guests: /api/gallery."""

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gallery import queries
from homeproductions import throttles
from homeproductions.api import ok
from homeproductions.openapi import refusals

from .serializers import AlbumAnswer, AlbumDetailSerializer, AlbumInListSerializer, AlbumListAnswer


class GalleryList(APIView):
    """Published albums, newest first."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (throttles.PublicReads,)

    @extend_schema(responses={200: AlbumListAnswer}, auth=[], tags=["gallery"])
    def get(self, request: Request) -> Response:
        albums = AlbumInListSerializer(queries.published(), many=True).data
        return ok(galleries=albums, count=len(albums))


class GalleryDetail(APIView):
    """One published album with its pictures in order."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (throttles.PublicReads,)

    @extend_schema(responses={200: AlbumAnswer, **refusals(_404="GALLERY_NOT_FOUND")}, auth=[], tags=["gallery"])
    def get(self, request: Request, reference: str) -> Response:
        return ok(gallery=AlbumDetailSerializer(queries.album(reference, only_published=True)).data)
