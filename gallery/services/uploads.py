"""What lies at the image host: permits to put a picture there, and removing what nobody shows any more."""

from collections.abc import Iterable
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from accounts.models import User
from audit.services import record
from events.models import Event
from gallery.errors import GalleryNotFound
from gallery.models import Gallery, GalleryImage
from homeproductions import pictures


@transaction.atomic
def sign_upload(*, gallery_id: UUID | None, actor: User) -> dict[str, Any]:
    """A permit for a browser to upload a picture on its own, for an album or before there is one.

    Raises GalleryNotFound or CloudinaryNotConfigured. Who got it for what is in the audit.
    """
    pictures.check_configured()
    album = Gallery.objects.filter(pk=gallery_id).first() if gallery_id else None
    if gallery_id and album is None:
        raise GalleryNotFound
    permit = pictures.sign(pictures.gallery_folder(album.pk) if album else pictures.GALLERY_TEMP)
    record("UPLOAD", album, entity_type="" if album else "upload", actor=actor, new={"folder": permit["folder"]})
    return permit


def discard_later(images: Iterable[GalleryImage]) -> None:
    """After the commit, remove at the image host what no row shows any more. Call it once the rows are gone."""
    held = {image.cloudinary_public_id: image.image_url for image in images if image.cloudinary_public_id}
    if held:
        shown = _shown(held)
        unused = [name for name, url in held.items() if name not in shown and url not in shown]
        transaction.on_commit(partial(pictures.discard, unused), robust=True)


def _shown(held: dict[str, str]) -> set[str | None]:
    """Which of these ids and addresses are still somewhere: in another album, as a cover, as a night's picture."""
    ids, urls = held.keys(), held.values()
    pairs = [
        *GalleryImage.objects.filter(Q(cloudinary_public_id__in=ids) | Q(image_url__in=urls)).values_list(
            "cloudinary_public_id", "image_url"
        ),
        *Event.objects.filter(Q(cloudinary_public_id__in=ids) | Q(image_url__in=urls)).values_list(
            "cloudinary_public_id", "image_url"
        ),
        *Gallery.objects.filter(cover_image_url__in=urls).values_list("cover_image_url", "cover_image_url"),
    ]
    return {text for pair in pairs for text in pair}
