"""Single pictures, as the admin front end handles them (contract 4.6).

It knows pictures only, no albums: each lies in the album of its night, or in one for all the others.
"""

from copy import copy
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts.models import User
from audit.services import record
from gallery.errors import GalleryNotFound
from gallery.models import Gallery, GalleryImage

from .albums import assign, create_album, find_event, thumbnail
from .uploads import discard_later

DEFAULT_TITLE = "Photos"


@transaction.atomic
def add_image(*, actor: User, event_id: UUID | None = None, **fields: Any) -> GalleryImage:
    """Put a picture into the published album of its night, which is made when there is none. Raises EventNotFound."""
    album = _album_of(event_id, actor=actor)
    image = GalleryImage.objects.create(gallery=album, **{**fields, "thumbnail_url": thumbnail(fields)})
    record("CREATE", image, actor=actor, new={"gallery_id": str(album.pk)})
    return image


@transaction.atomic
def update_image(image_id: UUID, changes: dict[str, Any], *, actor: User) -> None:
    """Change one picture; another `event_id` moves it to that night's album. Raises GalleryNotFound, EventNotFound."""
    image = _locked_image(image_id)
    before = copy(image)
    if "event_id" in changes:
        changes["gallery_id"] = _album_for(image, changes.pop("event_id"), actor=actor)
    if changes.get("image_url", image.image_url) != image.image_url:
        # The small copy and the id at the host are those of the picture that was there.
        changes = {"thumbnail_url": changes["image_url"], "cloudinary_public_id": None, **changes}
    changed = assign(image, changes)
    if changed:
        record("UPDATE", image, actor=actor, new={"changed": changed})
    if "image_url" in changed:
        discard_later([before])


@transaction.atomic
def delete_image(image_id: UUID, *, actor: User) -> None:
    """Delete one picture, also at the image host unless it is shown elsewhere. Raises GalleryNotFound."""
    image = _locked_image(image_id)
    record("DELETE", image, actor=actor, old={"gallery_id": str(image.gallery_id)})
    GalleryImage.objects.filter(pk=image.pk).delete()
    discard_later([image])


def _locked_image(image_id: UUID) -> GalleryImage:
    images = GalleryImage.objects.select_related("gallery").select_for_update(of=("self",))
    image = images.filter(pk=image_id).first()
    if image is None:
        raise GalleryNotFound
    return image


def _album_for(image: GalleryImage, event_id: UUID | None, *, actor: User) -> UUID:
    """A picture that stays with its night stays in its album, whichever that is."""
    if event_id == image.gallery.event_id:
        return image.gallery_id
    return _album_of(event_id, actor=actor).pk


def _album_of(event_id: UUID | None, *, actor: User) -> Gallery:
    """The album where guests see the pictures of a night, or of no night; made and published if there is none.

    One that was made but not published is left alone: somebody is still choosing. Raises EventNotFound.
    """
    title = find_event(event_id).name if event_id else DEFAULT_TITLE
    _one_at_a_time(f"album of {event_id}")
    published = Gallery.objects.filter(is_published=True)
    albums = published.filter(event_id=event_id) if event_id else published.filter(event=None, title=title)
    album = albums.select_for_update(of=("self",), no_key=True).order_by("created_at", "id").first()
    return album or create_album(actor=actor, title=title, event_id=event_id, is_published=True)


def _one_at_a_time(what: str) -> None:
    """Whoever comes second waits until the first has committed, and then finds what the first has made."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [what])
