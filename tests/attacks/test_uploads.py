"""What is signed for uploads names our folders only, whatever a caller writes into it: no other path, no parameter of
its own, for nights and for albums."""

import hashlib
import json
from urllib.parse import quote

import pytest

from audit.models import AuditLog
from gallery.models import Gallery
from homeproductions import pictures
from tests.factories import bearer, make_event, make_user
from tests.image_host import CLOUD, KEY, SECRET

pytestmark = pytest.mark.usefixtures("cloudinary")

NIGHT, ALBUM = "/api/admin/upload/sign", "/api/admin/gallery/upload-sign"
PERMIT = {
    "success",
    "signature",
    "timestamp",
    "folder",
    "cloudName",
    "apiKey",
    "uploadUrl",
    "transformation",
}
PATHS = [
    "../victim",
    "..",
    "/",
    "home-productions/uploads/../../victim",
    "home-productions/uploads/",
    "home-productions/uploads/x",
    "home-productions/events",
    "HOME-PRODUCTIONS/UPLOADS",
    "home-productions/uploads&public_id=victim",
    "home-productions/uploads%26public_id%3Dvictim",
    "home-productions/uploads\n&overwrite=true",
    "home-productions/uploads#",
    "home-productions/uploads\u2044..",
    "..%2fvictim",
    "%2e%2e%2fvictim",
    "\u202ehome-productions/uploads",
    "x" * 100_000,
]
# What the image host would also take, if somebody could have it signed.
PARAMETERS = {
    "public_id": "victim",
    "publicId": "victim",
    "overwrite": True,
    "invalidate": True,
    "eager": "w_1",
    "notification_url": "https://evil.example/",
    "type": "private",
    "access_mode": "public",
    "upload_preset": "theirs",
    "timestamp": 1,
    "transformation": "w_9999",
    "allowed_formats": "svg",
    "api_key": "x",
    "cloud_name": "theirs",
    "signature": "x",
    "resource_type": "raw",
    "raw_convert": "aspose",
    "callback": "x",
    "tags": "a,b",
    "use_filename": True,
}


@pytest.fixture
def office(db):
    return bearer(make_user("admin"))


@pytest.fixture
def night(db):
    return make_event()


@pytest.fixture
def album(db):
    return Gallery.objects.create(title="Album")


def signature_of(permit: dict) -> str:
    """As the host computes it: from exactly these three, in the order of their names."""
    text = "&".join(f"{name}={permit[name]}" for name in ("folder", "timestamp", "transformation"))
    return hashlib.sha1((text + SECRET).encode(), usedforsecurity=False).hexdigest()


def assert_is_ours(answer, folder: str) -> None:
    permit = answer.json()
    assert (answer.status_code, set(permit)) == (200, PERMIT)
    assert permit["folder"] == folder
    assert permit["signature"] == signature_of(permit)
    assert permit["timestamp"] > 1_700_000_000
    assert (permit["transformation"], permit["apiKey"]) == (pictures.TRANSFORMATION, KEY)
    assert permit["uploadUrl"] == f"https://api.cloudinary.com/v1_1/{CLOUD}/image/upload"
    assert SECRET not in answer.content.decode()


@pytest.mark.parametrize("folder", PATHS, ids=lambda text: ascii(text)[:40])
def test_no_folder_but_ours_is_signed(api, office, night, album, folder):
    assert_is_ours(api.post(NIGHT, {"folder": folder}, headers=office), pictures.UPLOADS)
    both = api.post(NIGHT, {"folder": folder, "eventId": str(night.pk)}, headers=office)
    assert_is_ours(both, f"home-productions/events/{night.pk}")
    assert_is_ours(api.post(ALBUM, {"folder": folder}, headers=office), pictures.GALLERY_TEMP)
    both = api.post(ALBUM, {"folder": folder, "galleryId": str(album.pk)}, headers=office)
    assert_is_ours(both, f"home-productions/galleries/{album.pk}")


@pytest.mark.parametrize("path", [NIGHT, ALBUM])
def test_no_parameter_of_the_callers_is_signed(api, office, path):
    folder = pictures.UPLOADS if path == NIGHT else pictures.GALLERY_TEMP

    for name, value in PARAMETERS.items():
        assert_is_ours(api.post(path, {name: value}, headers=office), folder)
        in_query = api.post(f"{path}?{name}={quote(str(value))}&folder=victim", {}, headers=office)
        assert_is_ours(in_query, folder)
    assert_is_ours(api.post(path, PARAMETERS, headers=office), folder)


@pytest.mark.parametrize(("path", "name"), [(NIGHT, "eventId"), (NIGHT, "event_id"), (ALBUM, "galleryId")])
def test_no_id_leads_out_of_its_folder(api, office, path, name, night, album):
    real = str(night.pk if path == NIGHT else album.pk)
    wrong = [*PATHS, f"{real}/..", f"{real}&public_id=victim", f"{real}%2f..", f"{real}\x00", f"../{real}", f"{real}/"]

    for value in wrong:
        answer = api.post(path, json.dumps({name: value}), headers=office)
        assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR"), value
    assert not AuditLog.objects.filter(action="UPLOAD").exists()


@pytest.mark.parametrize("spelling", [str.upper, lambda text: text.replace("-", ""), lambda text: f"{{{text}}}"])
def test_id_in_another_spelling_leads_to_the_same_folder(api, office, night, spelling):
    answer = api.post(NIGHT, {"eventId": spelling(str(night.pk))}, headers=office)

    assert_is_ours(answer, f"home-productions/events/{night.pk}")


PUBLIC_IDS = ["../victim", "a/../b", "/a", "a&b", "a?b", "a#b", "a%2fb", "a\\b", "a\nb", "a\x00", "a<b>", "x" * 256]


@pytest.mark.parametrize("name", PUBLIC_IDS, ids=ascii)
def test_name_of_a_picture_that_could_be_another_is_refused(api, office, name):
    picture = {"url": "https://res.cloudinary.com/x.jpg", "cloudinaryId": name}

    answer = api.post("/api/admin/gallery", json.dumps({"title": "A", "images": [picture]}), headers=office)

    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert not Gallery.objects.exists()


PICTURES = ["/etc/passwd", "file:///etc/passwd", "s3://bucket/x", "gs://bucket/x", "javascript:alert(1)", "ftp://x/y"]
PICTURES += [
    "data:text/html;base64,PGI+",
    "data:image/svg+xml;base64,PHN2Zz4=",
    "data:image/png,<svg>",
    "//x.example/y",
]
PICTURES += ["http://", "https:///x", " https://x.example/y", "https://x.example/\nHost: y", "C:\\x.png", "\\\\host\\x"]
PICTURES += ["data:image/png;base64,AAAA\nX", "HTTPS:/x", "https:\\\\x.example", ["https://x.example"], {"url": "x"}, 5]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda each: ascii(each)[:30])
def test_nothing_but_a_picture_is_handed_to_the_host(api, image_host, office, night, picture):
    """Its library would read any other text as the name of a file on this server."""
    path = f"/api/admin/upload/event-image/{night.pk}"

    answer = api.post(path, json.dumps({"image": picture}), headers=office)

    night.refresh_from_db()
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert (image_host.requests, night.image_url) == ([], None)


def test_control_folder_that_is_believed_is_noticed(api, office, monkeypatch):
    monkeypatch.setattr(pictures, "shared_folder", lambda wish: wish or pictures.UPLOADS)
    answer = api.post(NIGHT, {"folder": "home-productions/uploads&public_id=victim"}, headers=office)

    with pytest.raises(AssertionError):
        assert_is_ours(answer, pictures.UPLOADS)


def test_control_signature_of_the_first_version_lets_a_parameter_in(db):
    """Why the second one is used: in the first, a folder with `&` in it signs the same text as two parameters."""
    sign = pictures.cloudinary.utils.api_sign_request
    one, two = {"folder": "x&public_id=victim"}, {"folder": "x", "public_id": "victim"}

    assert sign(one, SECRET, algorithm="sha1", signature_version=1) == sign(
        two, SECRET, algorithm="sha1", signature_version=1
    )
    assert sign(one, SECRET, algorithm="sha1", signature_version=2) != sign(
        two, SECRET, algorithm="sha1", signature_version=2
    )
