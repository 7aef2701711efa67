"""The picture of a night. It lies at the image host; the row holds its address and the id to remove it by."""

from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from accounts.models import User
from audit.services import record
from homeproductions import pictures

from .errors import EventNotFound
from .models import Event

Held = dict[str, str | None]


def sign_upload(*, event_id: UUID | None, folder: str | None, actor: User) -> dict[str, Any]:
    """A permit for a browser to upload on its own, for a night or into a shared folder.

    Raises EventNotFound or CloudinaryNotConfigured. Who got it for what is in the audit.
    """
    pictures.check_configured()
    event = _find(event_id) if event_id else None
    permit = pictures.sign(pictures.event_folder(event.pk) if event else pictures.shared_folder(folder))
    record("UPLOAD", event, entity_type="" if event else "upload", actor=actor, new={"folder": permit["folder"]})
    return permit


def set_image(event_id: UUID, image: str, *, actor: User) -> pictures.Picture:
    """Upload, switch the row, remove what was there: at every moment the row shows a picture that exists.

    Raises EventNotFound, Invalid, CloudinaryNotConfigured or UploadFailed.
    """
    _find(event_id)
    picture = pictures.upload(image, pictures.event_folder(event_id))
    try:
        before = _switch(event_id, picture, actor)
    except Exception:
        pictures.discard([picture.public_id])
        raise
    discard_unused(before)
    return picture


def remove_image(event_id: UUID, *, actor: User) -> bool:
    """Clear the row, then remove the picture at the host. False if there was none.

    Raises EventNotFound or CloudinaryNotConfigured.
    """
    pictures.check_configured()
    before = _switch(event_id, None, actor)
    discard_unused(before)
    return before["image_url"] is not None


@transaction.atomic(durable=True)
def _switch(event_id: UUID, picture: pictures.Picture | None, actor: User) -> Held:
    """Give the night another picture or none, and say what was there before. Committed when it returns."""
    event = Event.objects.select_for_update(no_key=True).filter(pk=event_id).first()
    if event is None:
        raise EventNotFound
    old = held(event)
    event.image_url = picture.url if picture else None
    event.cloudinary_public_id = picture.public_id if picture else None
    if held(event) != old:
        event.save(update_fields=["image_url", "cloudinary_public_id"])
        record("UPLOAD", event, actor=actor, old=old, new=held(event))
    return old


def held(event: Event) -> Held:
    """The night's picture as its row holds it."""
    return {"image_url": event.image_url, "cloudinary_public_id": event.cloudinary_public_id}


def is_of(public_id: str, event_id: UUID) -> bool:
    """Whether a picture may be this night's own, to be removed with it: one that we let somebody upload for it, or
    before there was a night."""
    folders = (pictures.event_folder(event_id), pictures.UPLOADS)
    return pictures.is_public_id(public_id) and public_id.startswith(tuple(f"{folder}/" for folder in folders))


def discard_later(before: Held) -> None:
    """After the commit, remove the picture that was there."""
    transaction.on_commit(partial(discard_unused, before), robust=True)


def discard_unused(before: Held) -> None:
    """Remove a picture at the host, unless a night (a copy of this one) still shows it. Outside any transaction."""
    name, url = before["cloudinary_public_id"], before["image_url"]
    is_shown = Q(cloudinary_public_id=name) | Q(image_url=url, image_url__isnull=False)
    if name and not Event.objects.filter(is_shown).exists():
        pictures.discard([name])


def _find(event_id: UUID) -> Event:
    event = Event.objects.filter(pk=event_id).first()
    if event is None:
        raise EventNotFound
    return event
