"""Albums with their pictures."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import User
from audit.services import record
from events.errors import EventNotFound
from events.models import Event
from gallery.errors import GalleryNotFound
from gallery.models import Gallery, GalleryImage

from .uploads import discard_later


@transaction.atomic
def create_album(*, actor: User, images: Iterable[dict[str, Any]] = (), **fields: Any) -> Gallery:
    """A new album with its pictures in the given order. Raises EventNotFound."""
    _check_event(fields.get("event_id"))
    album = Gallery.objects.create(created_by=actor, **fields)
    inside = GalleryImage.objects.bulk_create(_in_order(album, images))
    record("CREATE", album, actor=actor, new={"is_published": album.is_published, "images": len(inside)})
    return album


@transaction.atomic
def update_album(album_id: UUID, changes: dict[str, Any], *, actor: User) -> None:
    """Change what is named and keep the rest; `images` replaces all pictures. Raises GalleryNotFound, EventNotFound.

    The audit names what really changed; when nothing did, there is no row.
    """
    album = locked_album(album_id)
    images = changes.pop("images", None)
    changed = assign(album, changes)
    if images is not None and _replace_images(album, images):
        changed.append("images")
    if changed:
        record("UPDATE", album, actor=actor, new={"changed": changed})


@transaction.atomic
def delete_album(album_id: UUID, *, actor: User) -> None:
    """Delete the album with its pictures, and after the commit what nobody else shows at the image host.

    Raises GalleryNotFound.
    """
    album = locked_album(album_id)
    images = list(album.images.all())
    record("DELETE", album, actor=actor, old={"is_published": album.is_published, "images": len(images)})
    album.delete()
    discard_later(images)


def locked_album(album_id: UUID) -> Gallery:
    """The lock keeps two changes of one album apart; `images` would otherwise be doubled. Raises GalleryNotFound."""
    album = Gallery.objects.select_for_update(of=("self",)).filter(pk=album_id).first()
    if album is None:
        raise GalleryNotFound
    return album


def _in_order(album: Gallery, images: Iterable[dict[str, Any]]) -> list[GalleryImage]:
    return [
        GalleryImage(gallery=album, sort_order=position, **{**image, "thumbnail_url": thumbnail(image)})
        for position, image in enumerate(images)
    ]


def thumbnail(image: dict[str, Any]) -> str:
    """The address of its small copy; where nobody gave one, that of the picture."""
    return image.get("thumbnail_url") or image["image_url"]


def _replace_images(album: Gallery, images: list[dict[str, Any]]) -> bool:
    """Put these pictures in place of all others. False when they are the same already."""
    before, after = list(album.images.all()), _in_order(album, images)
    if sorted(map(_content, before)) == sorted(map(_content, after)):
        return False
    album.images.all().delete()
    GalleryImage.objects.bulk_create(after)
    kept = {image.image_url for image in after}
    discard_later(image for image in before if image.image_url not in kept)
    return True


def _content(image: GalleryImage) -> tuple[int, str, str, str, str]:
    texts = (image.image_url, image.thumbnail_url, image.caption, image.cloudinary_public_id)
    return (image.sort_order, *(text or "" for text in texts))  # type: ignore[return-value]


def assign(row: Gallery | GalleryImage, changes: dict[str, Any]) -> list[str]:
    """Save what differs, and name it."""
    changed = [name for name, value in changes.items() if getattr(row, name) != value]
    if "event_id" in changed:
        _check_event(changes["event_id"])
    for name in changed:
        setattr(row, name, changes[name])
    if changed:
        row.save(update_fields=changed)
    return changed


def _check_event(event_id: UUID | None) -> None:
    if event_id is not None:
        find_event(event_id)


def find_event(event_id: UUID) -> Event:
    """The night with this id. Raises EventNotFound."""
    event = Event.objects.filter(pk=event_id).first()
    if event is None:
        raise EventNotFound
    return event
