"""The picture of a night (contract 2.12): permits, and uploads in the order that never leaves a night without one."""

import hashlib
import json
import uuid

import pytest
from django.db import connection

from audit.models import AuditLog
from events.models import Event
from homeproductions import pictures
from tests.factories import bearer, make_event, make_user
from tests.image_host import KEY, SECRET

SIGN = "/api/admin/upload/sign"
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="  # the first bytes of one
PERMIT = {
    "success": bool,
    "signature": str,
    "timestamp": int,
    "folder": str,
    "cloudName": str,
    "apiKey": str,
    "uploadUrl": str,
    "transformation": str,
}
NOT_IDS = ["abc", "0", "..%2f..%2fx", "a&public_id=victim", "a" * 5000, str(2**130)]


@pytest.fixture
def office(db):
    return bearer(make_user("admin"))


def path_of(event):
    return f"/api/admin/upload/event-image/{getattr(event, 'pk', event)}"


def refusal(response):
    answer = response.json()
    assert (set(answer), answer["success"], type(answer["error"])) == ({"success", "error", "code"}, False, str)
    return response.status_code, answer["code"]


# --- Permits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["eventId", "event_id"])
def test_permit_is_for_the_folder_of_the_night(api, office, cloudinary, spelling):
    event = make_event()

    response = api.post(SIGN, {spelling: str(event.pk), "folder": "home-productions/uploads"}, headers=office)

    permit = response.json()
    assert response.status_code == 200
    assert {name: type(value) for name, value in permit.items()} == PERMIT
    assert permit["folder"] == f"home-productions/events/{event.pk}"
    assert (permit["apiKey"], permit["transformation"]) == (KEY, "c_limit,w_1920,h_1080,q_auto,f_auto")
    text = f"folder={permit['folder']}&timestamp={permit['timestamp']}&transformation={permit['transformation']}"
    assert permit["signature"] == hashlib.sha1((text + SECRET).encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("body", [{}, {"eventId": None}, {"eventId": ""}, {"folder": None}, {"folder": "  "}])
def test_permit_without_a_night_is_for_the_shared_folder(api, office, cloudinary, body):
    assert api.post(SIGN, body, headers=office).json()["folder"] == "home-productions/uploads"


def test_permit_leaves_one_audit_row_each(api, cloudinary):
    user, event = make_user("admin"), make_event()
    api.post(SIGN, {}, headers=bearer(user))
    api.post(SIGN, {"eventId": str(event.pk)}, headers=bearer(user))

    rows = AuditLog.objects.order_by("created_at").values_list(
        "user", "action", "entity_type", "entity_id", "new_value"
    )
    assert list(rows) == [
        (user.pk, "UPLOAD", "upload", None, {"folder": "home-productions/uploads"}),
        (user.pk, "UPLOAD", "event", event.pk, {"folder": f"home-productions/events/{event.pk}"}),
    ]


@pytest.mark.parametrize("body", [{"eventId": "abc"}, {"eventId": "../x"}, {"eventId": 5}, {"folder": 5}, [], "text"])
def test_malformed_permit_request_is_invalid(api, office, cloudinary, body):
    assert refusal(api.post(SIGN, json.dumps(body), headers=office)) == (400, "VALIDATION_ERROR")
    assert not AuditLog.objects.exists()


def test_permit_for_an_unknown_night_is_not_found(api, office, cloudinary):
    assert refusal(api.post(SIGN, {"eventId": str(uuid.uuid4())}, headers=office)) == (404, "EVENT_NOT_FOUND")


def test_nothing_works_without_an_account(api, office):
    event = make_event(image_url="https://example.com/a.jpg")
    requests = [
        api.post(SIGN, {}, headers=office),
        api.post(path_of(event), {"image": PIXEL}, headers=office),
        api.delete(path_of(event), headers=office),
    ]

    assert [refusal(response) for response in requests] == [(400, "CLOUDINARY_NOT_CONFIGURED")] * 3
    event.refresh_from_db()
    assert (event.image_url, AuditLog.objects.count()) == ("https://example.com/a.jpg", 0)


@pytest.mark.parametrize(("role", "answer"), [(None, (401, "NO_TOKEN")), ("staff", (403, "FORBIDDEN"))])
def test_pictures_are_for_the_office(api, image_host, role, answer):
    headers = bearer(make_user(role)) if role else {}
    event = make_event()

    assert refusal(api.post(SIGN, {}, headers=headers)) == answer
    assert refusal(api.post(path_of(event), {"image": PIXEL}, headers=headers)) == answer
    assert refusal(api.delete(path_of(event), headers=headers)) == answer
    assert image_host.requests == []


# --- The picture itself -------------------------------------------------------------------------------------


@pytest.mark.parametrize("image", [PIXEL, "https://example.com/poster.jpg?size=1"])
def test_picture_is_uploaded_and_shown(api, office, image_host, image):
    event = make_event()

    response = api.post(path_of(event), {"image": image}, headers=office)

    answer = response.json()
    assert response.status_code == 200
    assert {name: type(value) for name, value in answer.items()} == {
        "success": bool,
        "imageUrl": str,
        "publicId": str,
        "message": str,
    }
    assert (image_host.uploads[0]["file"], image_host.removed) == (image, [])
    event.refresh_from_db()
    assert (event.image_url, event.cloudinary_public_id) == (answer["imageUrl"], answer["publicId"])
    assert answer["publicId"].startswith(f"home-productions/events/{event.pk}/")
    row = AuditLog.objects.get()
    assert (row.action, row.entity_id, row.old_value["image_url"]) == ("UPLOAD", event.pk, None)


@pytest.mark.django_db(transaction=True)
def test_old_picture_goes_only_after_the_new_one_is_committed(api, image_host):
    event = make_event(image_url="https://old", cloudinary_public_id="home-productions/events/x/old")
    seen = []

    # The stand-in answers from another thread, so it sees what is committed.
    def watch(method):
        seen.append((method, Event.objects.get().image_url))
        connection.close()

    image_host.watch = watch

    answer = api.post(path_of(event), {"image": PIXEL}, headers=bearer(make_user("admin"))).json()

    assert seen == [("POST", "https://old"), ("DELETE", answer["imageUrl"])]
    assert image_host.removed == [["home-productions/events/x/old"]]


@pytest.mark.parametrize(("status", "answer"), [(500, (502, "UPLOAD_FAILED")), (400, (400, "VALIDATION_ERROR"))])
def test_failed_upload_changes_nothing(api, office, image_host, status, answer):
    event = make_event(image_url="https://old", cloudinary_public_id="home-productions/events/x/old")
    image_host.refuse = status

    assert refusal(api.post(path_of(event), {"image": PIXEL}, headers=office)) == answer
    event.refresh_from_db()
    assert (event.image_url, event.cloudinary_public_id) == ("https://old", "home-productions/events/x/old")
    assert (AuditLog.objects.count(), image_host.removed) == (0, [])


def test_night_that_vanished_meanwhile_leaves_no_picture_behind(api, office, image_host, monkeypatch):
    event = make_event()
    upload = pictures.upload

    def upload_slowly(*args):
        picture = upload(*args)
        Event.objects.all().delete()
        return picture

    monkeypatch.setattr(pictures, "upload", upload_slowly)

    assert refusal(api.post(path_of(event), {"image": PIXEL}, headers=office)) == (404, "EVENT_NOT_FOUND")
    assert image_host.removed == [[f"home-productions/events/{event.pk}/picture1"]]


def test_removal_clears_the_row_and_then_the_host(api, office, image_host):
    event = make_event(image_url="https://old", cloudinary_public_id="home-productions/events/x/old")

    response = api.delete(path_of(event), headers=office)

    assert (response.status_code, set(response.json())) == (200, {"success", "message"})
    event.refresh_from_db()
    assert (event.image_url, event.cloudinary_public_id) == (None, None)
    assert image_host.removed == [["home-productions/events/x/old"]]
    assert AuditLog.objects.get().new_value == {"image_url": None, "cloudinary_public_id": None}


def test_removal_succeeds_although_the_host_fails(api, office, image_host):
    event = make_event(image_url="https://old", cloudinary_public_id="home-productions/events/x/old")
    image_host.refuse = 500

    assert api.delete(path_of(event), headers=office).status_code == 200
    assert Event.objects.get().image_url is None


def test_removing_nothing_is_no_change(api, office, image_host):
    response = api.delete(path_of(make_event()), headers=office)

    assert (response.status_code, set(response.json())) == (200, {"success", "message"})
    assert (AuditLog.objects.count(), image_host.requests) == (0, [])


@pytest.mark.parametrize("body", [{}, {"image": None}, {"image": ""}])
def test_missing_picture_is_named(api, office, image_host, body):
    assert refusal(api.post(path_of(make_event()), body, headers=office)) == (400, "MISSING_REQUIRED_FIELDS")


@pytest.mark.parametrize(
    "image",
    [
        "javascript:alert(1)",
        "/etc/passwd",
        "../../manage.py",
        "file:///etc/passwd",
        "ftp://example.com/a.jpg",
        "data:text/html;base64,PHN2Zy8+",
        "data:image/svg+xml;base64,PHN2Zy8+",
        "https://example.com/a b",
        "https://" + "a" * 100_000,
        5,
        True,
        [PIXEL],
        {"url": "https://example.com"},
    ],
)
def test_what_is_no_picture_is_invalid(api, office, image_host, image):
    event = make_event()

    assert refusal(api.post(path_of(event), {"image": image}, headers=office)) == (400, "VALIDATION_ERROR")
    assert (image_host.requests, AuditLog.objects.count()) == ([], 0)


def test_text_with_nul_is_invalid(api, office, image_host):
    body = '{"image": "https://example.com/\\u0000"}'

    assert refusal(api.post(path_of(make_event()), body, headers=office)) == (400, "VALIDATION_ERROR")


def test_size_is_bounded(api, office, image_host):
    body = {"image": "data:image/png;base64," + "A" * 10 * 1024 * 1024}

    assert refusal(api.post(path_of(make_event()), body, headers=office)) == (413, "PAYLOAD_TOO_LARGE")
    assert image_host.requests == []


def test_picture_of_nine_megabytes_is_taken(api, office, image_host):
    body = {"image": "data:image/png;base64," + "A" * 9 * 1024 * 1024}

    assert api.post(path_of(make_event()), body, headers=office).status_code == 200


@pytest.mark.parametrize("event_id", [*NOT_IDS, "4b825dc6-42cb-4eb9-9a06-0e54bf8d69e1"])
def test_unknown_night_is_not_found(api, office, image_host, event_id):
    path = path_of(event_id)
    code = "NOT_FOUND" if "%2f" in event_id else "EVENT_NOT_FOUND"  # a slash makes it another route

    assert refusal(api.post(path, {"image": PIXEL}, headers=office)) == (404, code)
    assert refusal(api.delete(path, headers=office)) == (404, code)
    assert image_host.requests == []
