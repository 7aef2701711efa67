"""Albums and their pictures.

The admin front end knows pictures only, no albums: each lies in the album of its night, or in one for all the others.
"""

from collections.abc import Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max, Q

from accounts.models import User
from audit.services import record
from events.errors import EventNotFound
from events.models import Event
from homeproductions import pictures
from homeproductions.errors import Invalid

from .errors import GalleryNotFound
from .models import Gallery, GalleryImage
from .queries import PICTURE_ORDER

DEFAULT_TITLE = "Photos"


# --- Albums -------------------------------------------------------------------------------------------------


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
    album = _locked_album(album_id)
    images = changes.pop("images", None)
    changed = _assign(album, changes)
    if images is not None and _replace_images(album, images):
        changed.append("images")
    if changed:
        record("UPDATE", album, actor=actor, new={"changed": changed})


@transaction.atomic
def delete_album(album_id: UUID, *, actor: User) -> None:
    """Delete the album with its pictures, and after the commit what nobody else shows at the image host.

    Raises GalleryNotFound.
    """
    album = _locked_album(album_id)
    images = list(album.images.all())
    record("DELETE", album, actor=actor, old={"is_published": album.is_published, "images": len(images)})
    album.delete()
    _discard_later(images)


def _locked_album(album_id: UUID) -> Gallery:
    """The lock keeps two changes of one album apart; `images` would otherwise be doubled."""
    album = Gallery.objects.select_for_update(of=("self",)).filter(pk=album_id).first()
    if album is None:
        raise GalleryNotFound
    return album


def _in_order(album: Gallery, images: Iterable[dict[str, Any]]) -> list[GalleryImage]:
    return [
        GalleryImage(gallery=album, sort_order=position, **{**image, "thumbnail_url": _thumbnail(image)})
        for position, image in enumerate(images)
    ]


def _thumbnail(image: dict[str, Any]) -> str:
    return image.get("thumbnail_url") or image["image_url"]


def _replace_images(album: Gallery, images: list[dict[str, Any]]) -> bool:
    """Put these pictures in place of all others. False when they are the same already."""
    before, after = list(album.images.all()), _in_order(album, images)
    if sorted(map(_content, before)) == sorted(map(_content, after)):
        return False
    album.images.all().delete()
    GalleryImage.objects.bulk_create(after)
    kept = {image.image_url for image in after}
    _discard_later(image for image in before if image.image_url not in kept)
    return True


def _content(image: GalleryImage) -> tuple[int, str, str, str, str]:
    texts = (image.image_url, image.thumbnail_url, image.caption, image.cloudinary_public_id)
    return (image.sort_order, *(text or "" for text in texts))  # type: ignore[return-value]


# --- The pictures of an album, as the office's screen handles them ------------------------------------------------


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
    album = _locked_album(album_id)
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
    album = _locked_album(album_id)
    images = list(album.images.order_by(*PICTURE_ORDER))
    gone = [image for image in images if image.pk in wanted.removed]
    moved = _move(images, wanted)
    captioned = [each for each in images if wanted.captions.get(each.pk, each.caption) != each.caption]
    for image in captioned:
        image.caption = wanted.captions[image.pk]
    GalleryImage.objects.bulk_update({*moved, *captioned} - {*gone}, ["sort_order", "caption"])
    GalleryImage.objects.filter(pk__in=[image.pk for image in gone]).delete()
    _discard_later(gone)
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


# --- Single pictures, as the admin front end handles them (contract 4.6) --------------------------------------


@transaction.atomic
def add_image(*, actor: User, event_id: UUID | None = None, **fields: Any) -> GalleryImage:
    """Put a picture into the published album of its night, which is made when there is none. Raises EventNotFound."""
    album = _album_of(event_id, actor=actor)
    image = GalleryImage.objects.create(gallery=album, **{**fields, "thumbnail_url": _thumbnail(fields)})
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
    changed = _assign(image, changes)
    if changed:
        record("UPDATE", image, actor=actor, new={"changed": changed})
    if "image_url" in changed:
        _discard_later([before])


@transaction.atomic
def delete_image(image_id: UUID, *, actor: User) -> None:
    """Delete one picture, also at the image host unless it is shown elsewhere. Raises GalleryNotFound."""
    image = _locked_image(image_id)
    record("DELETE", image, actor=actor, old={"gallery_id": str(image.gallery_id)})
    GalleryImage.objects.filter(pk=image.pk).delete()
    _discard_later([image])


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
    title = _event(event_id).name if event_id else DEFAULT_TITLE
    _one_at_a_time(f"album of {event_id}")
    published = Gallery.objects.filter(is_published=True)
    albums = published.filter(event_id=event_id) if event_id else published.filter(event=None, title=title)
    album = albums.select_for_update(of=("self",), no_key=True).order_by("created_at", "id").first()
    return album or create_album(actor=actor, title=title, event_id=event_id, is_published=True)


def _one_at_a_time(what: str) -> None:
    """Whoever comes second waits until the first has committed, and then finds what the first has made."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [what])


# --- Uploads ------------------------------------------------------------------------------------------------


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


# --- For all of them ----------------------------------------------------------------------------------------


def _assign(row: Gallery | GalleryImage, changes: dict[str, Any]) -> list[str]:
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
        _event(event_id)


def _event(event_id: UUID) -> Event:
    event = Event.objects.filter(pk=event_id).first()
    if event is None:
        raise EventNotFound
    return event


def _discard_later(images: Iterable[GalleryImage]) -> None:
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
