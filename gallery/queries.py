"""What can be asked about albums and their pictures."""

from uuid import UUID

from django.db.models import Count, IntegerField, OuterRef, Prefetch, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from events.queries import as_uuid

from .errors import GalleryNotFound
from .models import Gallery, GalleryImage

# The id settles what is otherwise equal, so that a list reads the same every time.
PICTURE_ORDER = ("sort_order", "-created_at", "id")


def published() -> QuerySet[Gallery]:
    """What guests see, newest first."""
    return albums().filter(is_published=True)


def albums() -> QuerySet[Gallery]:
    """All albums with their night, their number of pictures and the first one (`image_count`, `first_image`)."""
    inside = GalleryImage.objects.filter(gallery=OuterRef("pk"))
    count = inside.order_by().values("gallery").annotate(n=Count("pk")).values("n")
    return (
        Gallery.objects.select_related("event")
        .annotate(
            image_count=Coalesce(Subquery(count, output_field=IntegerField()), Value(0)),
            first_image=Subquery(inside.order_by(*PICTURE_ORDER).values("image_url")[:1]),
        )
        .order_by("-created_at", "id")
    )


def album(reference: str, *, only_published: bool = False) -> Gallery:
    """One album with its pictures in order. Raises GalleryNotFound."""
    in_order = Prefetch("images", GalleryImage.objects.order_by(*PICTURE_ORDER))
    chosen = published() if only_published else albums()
    found = chosen.prefetch_related(in_order).filter(pk=known_uuid(reference)).first()
    if found is None:
        raise GalleryNotFound
    return found


def album_or_image(reference: str) -> Gallery | GalleryImage:
    """What the id of an admin route stands for. Raises GalleryNotFound."""
    known = known_uuid(reference)
    found = Gallery.objects.filter(pk=known).first() or GalleryImage.objects.filter(pk=known).first()
    if found is None:
        raise GalleryNotFound
    return found


def images(*, event_id: UUID | None = None, search: str | None = None) -> QuerySet[GalleryImage]:
    """Pictures of all albums in one list: of one night, with a text in the caption, or all."""
    found = GalleryImage.objects.select_related("gallery").order_by(*PICTURE_ORDER)
    if event_id:
        found = found.filter(gallery__event_id=event_id)
    if search:
        found = found.filter(caption__icontains=search)
    return found


def known_uuid(text: str) -> UUID:
    """The id of a path. Raises GalleryNotFound for what cannot be one."""
    known = as_uuid(text)
    if known is None:
        raise GalleryNotFound
    return known
