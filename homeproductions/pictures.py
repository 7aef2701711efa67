"""The image host (Cloudinary): permits for browsers to upload on their own, uploads and removals by this server.

Whatever is signed is made here; a client names at most the event or album that a picture is for.
"""

import logging
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import cloudinary.api
import cloudinary.exceptions
import cloudinary.uploader
import cloudinary.utils
from django.conf import settings
from rest_framework import serializers
from urllib3 import Timeout

from .addresses import is_web_address
from .errors import Invalid, Refused

log = logging.getLogger(__name__)

HOST = "https://api.cloudinary.com"
SHOWN_AT = "https://res.cloudinary.com"
# The host must be reached soon, but it may need a while for a picture that it fetches from elsewhere.
TIMEOUT = Timeout(connect=3, read=20)
TRANSFORMATION = "c_limit,w_1920,h_1080,q_auto,f_auto"
# Not SVG: it can carry scripts.
FORMATS = ["jpg", "png", "webp", "gif", "avif", "heic"]
DATA_URI = re.compile(r"data:image/(?i:jpe?g|png|webp|gif|avif|hei[cf]);base64,[A-Za-z0-9+/]+={0,2}")

ROOT = "home-productions"
# How the host is asked for a small copy of a picture that it has: by a word in the address.
SMALL = "c_limit,w_640,h_640,q_auto,f_auto"
MADE_BY_HOST = "/image/upload/"

UPLOADS = f"{ROOT}/uploads"
GALLERY_TEMP = f"{ROOT}/galleries/temp"
# What the host does not take in an id, and what could leave our folders or split a signed text.
NOT_IN_PUBLIC_ID = re.compile(r"[?&#\\%<>+\x00-\x1f\x7f]|\.\.|^[\s/]|[\s/]$")
PUBLIC_ID_MAX_LENGTH = 255
REMOVED_AT_ONCE = 100  # the host's limit for one call


class CloudinaryNotConfigured(Refused):
    code = "CLOUDINARY_NOT_CONFIGURED"
    message = "The image host is not set up (CLOUDINARY_CLOUD_NAME, CLOUDINARY_API_KEY, CLOUDINARY_API_SECRET)."


class UploadFailed(Refused):
    """The host did not answer, or not as it should. The picture itself may be fine."""

    code = "UPLOAD_FAILED"
    status = 502
    message = "The image host did not take the picture. Please try again in a moment."


@dataclass(frozen=True)
class Picture:
    """Where a picture lies at the host, and the id under which it can be removed."""

    url: str
    public_id: str


class UploadPermit(serializers.Serializer[Any]):
    """What `sign` hands out. The browser posts all but the address as form fields, together with the file."""

    success = serializers.BooleanField()
    signature = serializers.CharField()
    timestamp = serializers.IntegerField(help_text="Seconds since 1970; the signature is good for an hour.")
    folder = serializers.CharField()
    cloudName = serializers.CharField()
    apiKey = serializers.CharField()
    uploadUrl = serializers.CharField()
    transformation = serializers.CharField(help_text="Must be sent exactly like this.")


def event_folder(event_id: UUID) -> str:
    return f"{ROOT}/events/{event_id}"


def gallery_folder(gallery_id: UUID) -> str:
    return f"{ROOT}/galleries/{gallery_id}"


def shared_folder(wish: str | None) -> str:
    """A folder for pictures that belong to nothing yet: the wished one if it is such a folder, else the usual one."""
    return wish if wish in (UPLOADS, GALLERY_TEMP) else UPLOADS


def is_shown_at(url: str, public_id: str) -> bool:
    """Whether the host may show this picture of our account there."""
    folder = public_id.rpartition("/")[0]
    return url.startswith(f"{SHOWN_AT}/{settings.CLOUDINARY_CLOUD_NAME}{MADE_BY_HOST}") and f"/{folder}/" in url


def check_configured() -> None:
    """Raises CloudinaryNotConfigured."""
    if not settings.CLOUDINARY_IS_CONFIGURED:
        raise CloudinaryNotConfigured


def sign(folder: str) -> dict[str, Any]:
    """A permit to upload into `folder`, made without asking the host. Raises CloudinaryNotConfigured."""
    check_configured()
    signed = {"folder": folder, "timestamp": int(time.time()), "transformation": TRANSFORMATION}
    return {
        **signed,
        # The host checks SHA-1 unless the account says otherwise; version 2 keeps `&` in a value from adding another.
        "signature": cloudinary.utils.api_sign_request(
            signed, settings.CLOUDINARY_API_SECRET, algorithm="sha1", signature_version=2
        ),
        "cloudName": settings.CLOUDINARY_CLOUD_NAME,
        "apiKey": settings.CLOUDINARY_API_KEY,
        "uploadUrl": f"{HOST}/v1_1/{settings.CLOUDINARY_CLOUD_NAME}/image/upload",
    }


def is_picture(text: str) -> bool:
    """A data URI of an image, or a web address. Nothing else may reach the host's library: it takes any other text
    for the name of a file on this server."""
    if text.startswith("data:"):
        return DATA_URI.fullmatch(text) is not None
    return text.startswith(("http://", "https://")) and is_web_address(text)


def is_public_id(text: str) -> bool:
    return 0 < len(text) <= PUBLIC_ID_MAX_LENGTH and NOT_IN_PUBLIC_ID.search(text) is None


def small(url: str) -> str:
    """The address of a small copy of an uploaded picture; of a picture that lies elsewhere, its own."""
    is_ours = bool(settings.CLOUDINARY_CLOUD_NAME) and f"/{settings.CLOUDINARY_CLOUD_NAME}{MADE_BY_HOST}" in url
    return url.replace(MADE_BY_HOST, f"{MADE_BY_HOST}{SMALL}/", 1) if is_ours else url


def upload(image: str, folder: str) -> Picture:
    """Hand a picture (`is_picture`) to the host, made smaller there when it is large.

    Raises CloudinaryNotConfigured, Invalid (the host says this is no picture) or UploadFailed.
    """
    check_configured()
    if not is_picture(image):
        raise Invalid("This is not a picture.")
    try:
        answer = cloudinary.uploader.upload(
            image,
            folder=folder,
            transformation=[{"raw_transformation": TRANSFORMATION}],
            allowed_formats=FORMATS,
            **_account(),
        )
        return _uploaded(answer)
    except cloudinary.exceptions.BadRequest as error:
        raise Invalid("The image host says that this is not a picture it can read.") from error
    except (cloudinary.exceptions.Error, LookupError, TypeError, ValueError) as error:
        log.warning("an upload failed: %s", error)
        raise UploadFailed from error


def _uploaded(answer: Any) -> Picture:
    picture = Picture(url=answer["secure_url"], public_id=answer["public_id"])
    if not (is_web_address(picture.url) and is_public_id(picture.public_id)):
        raise ValueError("the host's answer is not what it should be")
    return picture


def destroy(public_ids: list[str]) -> None:
    """Remove pictures at the host, at most REMOVED_AT_ONCE. Raises what the host's library raises."""
    cloudinary.api.delete_resources(public_ids, invalidate=True, **_account())


def discard(public_ids: Iterable[str | None]) -> None:
    """Remove as many of our own pictures as the host lets us. Never raises: what stays behind is only untidy.

    Call it after the commit; the network has no place in a transaction.
    """
    ours = sorted({name for name in public_ids if name and name.startswith(f"{ROOT}/") and is_public_id(name)})
    if not settings.CLOUDINARY_IS_CONFIGURED:
        return
    for start in range(0, len(ours), REMOVED_AT_ONCE):
        try:
            destroy(ours[start : start + REMOVED_AT_ONCE])
        except Exception:
            # A host that is away now would let each further call wait as well.
            log.warning("%d pictures stay at the image host", len(ours) - start, exc_info=True)
            return


def _account() -> dict[str, Any]:
    """Given with each call, so that nothing in the environment but our own variables decides."""
    return {
        "upload_prefix": HOST,
        "cloud_name": settings.CLOUDINARY_CLOUD_NAME,
        "api_key": settings.CLOUDINARY_API_KEY,
        "api_secret": settings.CLOUDINARY_API_SECRET,
        "timeout": TIMEOUT,
    }
