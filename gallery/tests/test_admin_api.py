"""Albums for the office (contract 2.11)."""

import hashlib
import json
import uuid

import pytest
from django.db import connection

from audit.models import AuditLog
from gallery.models import Gallery, GalleryImage
from tests.factories import bearer, make_event, make_user
from tests.image_host import SECRET

from .test_public_api import make_album

PATH = "/api/admin/gallery"
SIGN = "/api/admin/gallery/upload-sign"
KEYS = {
    "id",
    "title",
    "description",
    "coverUrl",
    "eventId",
    "eventName",
    "photographer",
    "isPublished",
    "createdAt",
}
FOLDER = "home-productions/galleries/temp"
NOWHERE = "4b825dc6-42cb-4eb9-9a06-0e54bf8d69e1"


@pytest.fixture
def office(db):
    return bearer(make_user("admin"))


def refusal(response):
    answer = response.json()
    assert (set(answer), answer["success"], type(answer["error"])) == ({"success", "error", "code"}, False, str)
    return response.status_code, answer["code"]


def audit_rows():
    rows = AuditLog.objects.order_by("created_at", "id")
    return [(row.action, row.entity_type, row.old_value, row.new_value) for row in rows]


def urls_of(album):
    return list(album.images.order_by("sort_order").values_list("image_url", flat=True))


# --- Looking ------------------------------------------------------------------------------------------------


def test_list_shows_all_albums(api, office):
    event = make_event(name="Luna")
    hidden = make_album("https://a/1", "https://a/2", event=event, is_published=False, cover_image_url="https://a/c")

    answer = api.get(PATH, headers=office).json()

    assert set(answer) == {"success", "galleries", "count", "items"}
    (shown,) = answer["galleries"]
    assert set(shown) == KEYS | {"imageCount"}
    assert (shown["id"], shown["eventId"], shown["eventName"]) == (str(hidden.pk), str(event.pk), "Luna")
    assert (shown["isPublished"], shown["imageCount"], shown["coverUrl"]) == (False, 2, "https://a/c")
    assert (answer["count"], len(answer["items"])) == (1, 2)


def test_album_is_shown_with_all_there_is_to_edit(api, office):
    album = make_album("https://a/1", is_published=False)
    album.images.update(cloudinary_public_id=f"{FOLDER}/1", caption="c")

    answer = api.get(f"{PATH}/{album.pk}/", headers=office).json()

    assert (set(answer), set(answer["gallery"])) == ({"success", "gallery"}, KEYS | {"images"})
    (image,) = answer["gallery"]["images"]
    assert image == {
        "id": str(album.images.get().pk),
        "url": "https://a/1",
        "thumbnail": "https://a/1?s",
        "caption": "c",
        "cloudinaryId": f"{FOLDER}/1",
        "sortOrder": 0,
    }


@pytest.mark.parametrize("count", [1, 30])
def test_lists_need_the_same_queries_whatever_their_length(api, office, django_assert_num_queries, count):
    for number in range(count):
        album = make_album(*(f"https://a/{number}/{n}" for n in range(count)), event=make_event())

    with django_assert_num_queries(3):  # the caller, the albums, the pictures
        answer = api.get(PATH, headers=office).json()
    assert (answer["count"], len(answer["items"])) == (count, count**2)
    with django_assert_num_queries(3):
        assert len(api.get(f"{PATH}/{album.pk}", headers=office).json()["gallery"]["images"]) == count


# --- Creating -----------------------------------------------------------------------------------------------


def test_album_is_created_with_defaults(api):
    user = make_user("admin")

    response = api.post(PATH, {"title": " Luna "}, headers=bearer(user))

    album = Gallery.objects.get()
    assert response.status_code == 201
    answer = response.json()
    assert set(answer) == {"success", "gallery", "message"}
    assert answer["gallery"] == {"id": str(album.pk), "title": "Luna"}
    assert (album.is_published, album.event_id, album.cover_image_url, album.created_by) == (False, None, None, user)
    assert audit_rows() == [("CREATE", "gallery", None, {"is_published": False, "images": 0})]
    assert AuditLog.objects.get().user == user


@pytest.mark.parametrize("snake", [False, True])
def test_album_is_created_whole_in_either_casing(api, office, snake):
    event = make_event()
    body = {
        "title": "Luna",
        "description": "d",
        "photographer": "Ana",
        "event_id" if snake else "eventId": str(event.pk),
        "is_published" if snake else "isPublished": True,
        "cover_url" if snake else "coverUrl": "https://a/c",
        "images": [
            {
                "url": "https://a/1",
                "caption": "c",
                "cloudinary_id" if snake else "cloudinaryId": f"{FOLDER}/1",
                "thumbnail": "https://a/1s",
            },
            {"url": "https://a/2"},
        ],
        "unknown": 1,
    }

    assert api.post(PATH, body, headers=office).status_code == 201

    album = Gallery.objects.get()
    assert (album.description, album.photographer, album.event) == ("d", "Ana", event)
    assert (album.is_published, album.cover_image_url) == (True, "https://a/c")
    columns = ("image_url", "thumbnail_url", "caption", "cloudinary_public_id", "sort_order")
    assert list(album.images.order_by("sort_order").values_list(*columns)) == [
        ("https://a/1", "https://a/1s", "c", f"{FOLDER}/1", 0),
        ("https://a/2", "https://a/2", None, None, 1),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"title": ""},
        {"title": "  "},
        {"title": None},
        {"title": 5},
        {"title": ["a"]},
        {"title": "a" * 256},
        {"title": "a" * 100_000},
        {"eventId": "abc"},
        {"eventId": "../x"},
        {"eventId": 7},
        {"photographer": "a" * 256},
        {"description": {}},
        {"isPublished": "yes"},
        {"isPublished": 1},
        {"coverUrl": "javascript:alert(1)"},
        {"coverUrl": "data:image/png;base64,AAAA"},
        {"coverUrl": "/a.jpg"},
        {"coverUrl": 5},
        {"images": {}},
        {"images": "x"},
        {"images": [5]},
        {"images": [{}]},
        {"images": [{"url": ""}]},
        {"images": [{"url": None}]},
        {"images": [{"url": "javascript:alert(1)"}]},
        {"images": [{"url": "https://a/1", "thumbnail": "javascript:alert(1)"}]},
        {"images": [{"url": "https://a/1", "caption": "a" * 501}]},
        {"images": [{"url": "https://a/1", "cloudinaryId": "a&public_id=victim"}]},
        {"images": [{"url": "https://a/1", "cloudinaryId": "home-productions/../victim"}]},
        {"images": [{"url": "https://a/1", "cloudinaryId": "a" * 256}]},
        {"images": [{"url": "https://a/1"}] * 2001},
    ],
)
def test_bad_album_is_invalid_to_create_and_to_change(api, office, change):
    event = make_event()
    album = make_album("https://a/1", event=event)
    body = {"title": "Luna", **change}

    assert refusal(api.post(PATH, body, headers=office)) == (400, "VALIDATION_ERROR")
    assert refusal(api.put(f"{PATH}/{album.pk}", change, headers=office)) == (400, "VALIDATION_ERROR")
    assert (Gallery.objects.get().title, urls_of(album), audit_rows()) == ("Night", ["https://a/1"], [])


@pytest.mark.parametrize("body", ["[]", "5", "null", "{", '{"title": "a\\u0000b"}', '{"title": "\\ud800"}', '"x"'])
def test_bad_body_is_invalid(api, office, body):
    assert refusal(api.post(PATH, body, headers=office)) == (400, "VALIDATION_ERROR")


def test_album_of_an_unknown_night_is_refused(api, office):
    album = make_album()

    assert refusal(api.post(PATH, {"title": "x", "eventId": NOWHERE}, headers=office)) == (404, "EVENT_NOT_FOUND")
    assert refusal(api.put(f"{PATH}/{album.pk}", {"eventId": NOWHERE}, headers=office)) == (404, "EVENT_NOT_FOUND")
    assert (Gallery.objects.count(), audit_rows()) == (1, [])


# --- Changing -----------------------------------------------------------------------------------------------


@pytest.fixture
def full(db):
    return make_album(
        "https://a/1",
        "https://a/2",
        event=make_event(),
        description="d",
        photographer="Ana",
        cover_image_url="https://a/c",
    )


def test_absent_keeps(api, office, full):
    before = Gallery.objects.values().get()

    response = api.put(f"{PATH}/{full.pk}", {"title": "New"}, headers=office)

    assert (response.status_code, set(response.json())) == (200, {"success", "message"})
    after = Gallery.objects.values().get()
    assert {name for name in after if after[name] != before[name]} == {"title", "updated_at"}
    assert urls_of(full) == ["https://a/1", "https://a/2"]
    assert audit_rows() == [("UPDATE", "gallery", None, {"changed": ["title"]})]


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_empty_clear(api, office, full, nothing):
    body = dict.fromkeys(("description", "photographer", "eventId", "coverUrl"), nothing)

    assert api.put(f"{PATH}/{full.pk}", body, headers=office).status_code == 200

    full.refresh_from_db()
    assert (full.description, full.photographer, full.event_id, full.cover_image_url) == (None,) * 4


def test_change_takes_snake_case(api, office, full):
    event = make_event()

    api.put(f"{PATH}/{full.pk}", {"event_id": str(event.pk), "is_published": False, "cover_url": None}, headers=office)

    full.refresh_from_db()
    assert (full.event, full.is_published, full.cover_image_url) == (event, False, None)


def test_images_replace_the_whole_list(api, office, full):
    images = [{"url": "https://a/3"}, {"url": "https://a/1"}]

    assert api.put(f"{PATH}/{full.pk}", {"images": images}, headers=office).status_code == 200

    assert urls_of(full) == ["https://a/3", "https://a/1"]
    assert audit_rows() == [("UPDATE", "gallery", None, {"changed": ["images"]})]
    for nothing in ([], None):
        api.put(f"{PATH}/{full.pk}", {"images": nothing}, headers=office)
        assert urls_of(full) == []


def test_saving_what_is_there_already_changes_nothing(api, office, full):
    shown = api.get(f"{PATH}/{full.pk}", headers=office).json()["gallery"]
    ids = set(full.images.values_list("id", flat=True))

    assert api.put(f"{PATH}/{full.pk}", shown, headers=office).status_code == 200

    assert (set(full.images.values_list("id", flat=True)), audit_rows()) == (ids, [])


def test_images_dropped_from_an_album_go_at_the_host(api, office, image_host, django_capture_on_commit_callbacks):
    album = make_album()
    for name in ("kept", "dropped", "kept-without-id", "elsewhere"):
        GalleryImage.objects.create(
            gallery=album, image_url=f"https://a/{name}", cloudinary_public_id=f"{FOLDER}/{name}"
        )
    make_album("https://a/elsewhere")
    images = [{"url": "https://a/kept", "cloudinaryId": f"{FOLDER}/kept"}, {"url": "https://a/kept-without-id"}]

    with django_capture_on_commit_callbacks(execute=True):
        api.put(f"{PATH}/{album.pk}", {"images": images}, headers=office)

    assert image_host.removed == [[f"{FOLDER}/dropped"]]


# --- Deleting -----------------------------------------------------------------------------------------------


def test_album_is_deleted_with_its_pictures(api, office, full):
    response = api.delete(f"{PATH}/{full.pk}", headers=office)

    assert (response.status_code, set(response.json())) == (200, {"success", "message"})
    assert (Gallery.objects.count(), GalleryImage.objects.count()) == (0, 0)
    assert audit_rows() == [("DELETE", "gallery", {"is_published": True, "images": 2}, None)]
    assert refusal(api.delete(f"{PATH}/{full.pk}", headers=office)) == (404, "GALLERY_NOT_FOUND")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("refuse", [None, 500])
def test_rows_go_first_and_then_the_host_whether_it_answers_or_not(api, image_host, refuse):
    album = make_album("https://a/1")
    album.images.update(cloudinary_public_id=f"{FOLDER}/1")
    image_host.refuse = refuse
    left = []

    def watch(method):  # in another thread: it sees what is committed
        left.append(Gallery.objects.count())
        connection.close()

    image_host.watch = watch

    response = api.delete(f"{PATH}/{album.pk}", headers=bearer(make_user("admin")))

    assert (response.status_code, left, image_host.removed) == (200, [0], [[f"{FOLDER}/1"]])


@pytest.mark.parametrize("where", ["another album", "a cover", "a night"])
def test_picture_shown_elsewhere_stays_at_the_host(api, office, image_host, django_capture_on_commit_callbacks, where):
    album = make_album("https://a/1")
    album.images.update(cloudinary_public_id=f"{FOLDER}/1")
    if where == "another album":
        make_album("https://a/9").images.update(cloudinary_public_id=f"{FOLDER}/1")
    elif where == "a cover":
        make_album(cover_image_url="https://a/1")
    else:
        make_event(cloudinary_public_id=f"{FOLDER}/1")

    with django_capture_on_commit_callbacks(execute=True):
        api.delete(f"{PATH}/{album.pk}", headers=office)

    assert image_host.requests == []


# --- Finding and permission ---------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", ["abc", "0", NOWHERE, "a&public_id=victim", "..", "a" * 5000, "%F0%28%8C%28"])
@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_unknown_album_is_not_found(api, office, method, reference):
    assert refusal(getattr(api, method)(f"{PATH}/{reference}", headers=office)) == (404, "GALLERY_NOT_FOUND")


@pytest.mark.parametrize(("role", "answer"), [(None, (401, "NO_TOKEN")), ("staff", (403, "FORBIDDEN"))])
def test_galleries_are_for_the_office(api, cloudinary, role, answer):
    headers = bearer(make_user(role)) if role else {}
    path = f"{PATH}/{make_album('https://a/1').pk}"

    for response in (
        api.get(PATH, headers=headers),
        api.post(PATH, {"title": "x"}, headers=headers),
        api.get(path, headers=headers),
        api.put(path, {"title": "x"}, headers=headers),
        api.delete(path, headers=headers),
        api.post(SIGN, {}, headers=headers),
    ):
        assert refusal(response) == answer
    assert (Gallery.objects.get().title, audit_rows()) == ("Night", [])


def test_superadmin_may_too(api, db):
    assert api.get(PATH, headers=bearer(make_user("superadmin"))).status_code == 200


# --- Permits to upload --------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["galleryId", "gallery_id"])
def test_permit_is_for_the_folder_of_the_album(api, office, cloudinary, spelling):
    album = make_album()

    response = api.post(SIGN, {spelling: str(album.pk), "folder": "victim"}, headers=office)

    permit = response.json()
    assert (response.status_code, {name: type(value) for name, value in permit.items()}) == (
        200,
        {
            "success": bool,
            "signature": str,
            "timestamp": int,
            "folder": str,
            "cloudName": str,
            "apiKey": str,
            "uploadUrl": str,
            "transformation": str,
        },
    )
    assert permit["folder"] == f"home-productions/galleries/{album.pk}"
    text = f"folder={permit['folder']}&timestamp={permit['timestamp']}&transformation={permit['transformation']}"
    assert permit["signature"] == hashlib.sha1((text + SECRET).encode(), usedforsecurity=False).hexdigest()
    assert audit_rows() == [("UPLOAD", "gallery", None, {"folder": permit["folder"]})]


@pytest.mark.parametrize("body", [{}, {"galleryId": None}, {"galleryId": ""}, {"folder": "home-productions/uploads"}])
def test_permit_without_an_album_is_for_the_temporary_folder(api, office, cloudinary, body):
    assert api.post(SIGN, body, headers=office).json()["folder"] == FOLDER
    assert audit_rows() == [("UPLOAD", "upload", None, {"folder": FOLDER})]


def test_permit_may_be_asked_for_without_a_body(api, office, cloudinary):
    response = api.generic("POST", SIGN, headers=office)

    assert (response.status_code, response.json()["folder"]) == (200, FOLDER)


@pytest.mark.parametrize("gallery_id", ["abc", "../x", "a&public_id=victim", 5, ["a"], "a" * 100_000])
def test_malformed_album_of_a_permit_is_invalid(api, office, cloudinary, gallery_id):
    assert refusal(api.post(SIGN, {"galleryId": gallery_id}, headers=office)) == (400, "VALIDATION_ERROR")


def test_unknown_album_of_a_permit_is_not_found(api, office, cloudinary):
    assert refusal(api.post(SIGN, {"galleryId": str(uuid.uuid4())}, headers=office)) == (404, "GALLERY_NOT_FOUND")
    # A picture has no folder of its own.
    image = make_album("https://a/1").images.get()
    assert refusal(api.post(SIGN, {"galleryId": str(image.pk)}, headers=office)) == (404, "GALLERY_NOT_FOUND")
    assert audit_rows() == []


def test_permit_needs_an_account(api, office):
    assert refusal(api.post(SIGN, {}, headers=office)) == (400, "CLOUDINARY_NOT_CONFIGURED")
    assert json.dumps(audit_rows()) == "[]"
