"""The pictures of an album, as the office's screen handles them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from accounts.models import User
from audit.services import record
from gallery.models import Gallery, GalleryImage
from gallery.queries import PICTURE_ORDER
from homeproductions import pictures
from homeproductions.errors import Invalid

from .albums import locked_album
from .uploads import discard_later


@dataclass(frozen=True)
class Arrangement:
    """What somebody wants of some pictures of an album, by their ids: places (from 1), captions, and those to go."""

    places: Mapping[UUID, int] = field(default_factory=dict)
    captions: Mapping[UUID, str | None] = field(default_factory=dict)
    removed: Collection[UUID] = ()


@transaction.atomic
def add_to_album(
    album_id: UUID, *, image_url: str, actor: User, public_id: str | None = None, caption: str | None = None
) -> GalleryImage:
    """Put a picture at the end of an album: one that was uploaded for it (`public_id`), or one that lies elsewhere.

    Raises GalleryNotFound, or Invalid for a picture that was uploaded for something else.
    """
    album = locked_album(album_id)
    if public_id and not _is_of(public_id, album):
        raise Invalid("This picture was uploaded for something else.")
    last = album.images.aggregate(last=Max("sort_order"))["last"]
    image = GalleryImage.objects.create(
        gallery=album,
        image_url=image_url,
        thumbnail_url=pictures.small(image_url) if public_id else image_url,
        cloudinary_public_id=public_id,
        caption=caption,
        sort_order=0 if last is None else last + 1,
    )
    record("CREATE", image, actor=actor, new={"gallery_id": str(album.pk)})
    return image


def _is_of(public_id: str, album: Gallery) -> bool:
    folders = (pictures.gallery_folder(album.pk), pictures.GALLERY_TEMP)
    return pictures.is_public_id(public_id) and public_id.startswith(tuple(f"{folder}/" for folder in folders))


@transaction.atomic
def arrange(album_id: UUID, wanted: Arrangement, *, actor: User) -> dict[str, int]:
    """Move, caption and remove pictures of an album, and say how many of each. Pictures that are not named stay, and
    so does what does not change. A place that is taken is given to the one that moves there. Raises GalleryNotFound.
    """
    album = locked_album(album_id)
    images = list(album.images.order_by(*PICTURE_ORDER))
    gone = [image for image in images if image.pk in wanted.removed]
    moved = _move(images, wanted)
    captioned = [each for each in images if wanted.captions.get(each.pk, each.caption) != each.caption]
    for image in captioned:
        image.caption = wanted.captions[image.pk]
    GalleryImage.objects.bulk_update({*moved, *captioned} - {*gone}, ["sort_order", "caption"])
    GalleryImage.objects.filter(pk__in=[image.pk for image in gone]).delete()
    discard_later(gone)
    done = {"moved": len(_placed(images, wanted)), "captioned": len(captioned), "removed": len(gone)}
    if any(done.values()):
        record("UPDATE", album, actor=actor, new={"images": done})
    return done


def _placed(images: list[GalleryImage], wanted: Arrangement) -> list[GalleryImage]:
    """Those that somebody moved: they want another place than they have."""
    return [each for place, each in enumerate(images, 1) if wanted.places.get(each.pk, place) != place]


def _move(images: list[GalleryImage], wanted: Arrangement) -> list[GalleryImage]:
    """Number the pictures in their new order, and return those with another number than before."""

    def key(numbered: tuple[int, GalleryImage]) -> tuple[int, int]:
        place, image = numbered
        goal = wanted.places.get(image.pk, place)
        return goal, (goal > place) - (goal < place)  # whoever stands there gives way, to the side it came from

    moved = []
    ordered = [image for _, image in sorted(enumerate(images, 1), key=key) if image.pk not in wanted.removed]
    for position, image in enumerate(ordered):
        if image.sort_order != position:
            image.sort_order = position
            moved.append(image)
    return moved
