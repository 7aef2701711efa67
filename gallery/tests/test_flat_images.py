"""The admin front end's gallery page: single pictures on the routes of albums (contract 4.6, D6)."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.utils import timezone

from gallery.models import Gallery, GalleryImage
from gallery.services import flat_images
from tests.factories import bearer, make_event, make_user

from .test_admin_api import FOLDER, NOWHERE, PATH, audit_rows, refusal, urls_of
from .test_public_api import make_album

ITEM = {
    "id",
    "image_url",
    "imageUrl",
    "thumbnail_url",
    "caption",
    "event_id",
    "eventId",
    "is_featured",
    "isFeatured",
    "sort_order",
    "sortOrder",
    "gallery_id",
}


@pytest.fixture
def office(db):
    return bearer(make_user("admin"))


def sent(event=None, **changes):
    """Exactly what the page's form sends."""
    return {
        "image_url": "https://example.com/1.jpg",
        "caption": "At dawn",
        "event_id": str(event.pk) if event else None,
        "is_featured": True,
        "sort_order": 3,
        **changes,
    }


# --- D6: the page, request by request -----------------------------------------------------------------------


def test_evening_of_the_gallery_page(api, office):
    event, other = make_event(name="Luna"), make_event()

    created = api.post(PATH, sent(event), headers=office)
    answer = created.json()
    assert (created.status_code, set(answer), set(answer["item"])) == (201, {"success", "item", "message"}, ITEM)
    item = answer["item"]
    path = f"{PATH}/{item['id']}"

    listed = api.get(f"{PATH}?event_id={event.pk}&search=DAWN", headers=office).json()
    assert listed["items"] == [item]

    saved = api.put(path, sent(other, caption="Later", is_featured=False, sort_order=0), headers=office)
    assert (saved.status_code, set(saved.json())) == (200, {"success", "message"})
    assert api.get(f"{PATH}?event_id={event.pk}", headers=office).json()["items"] == []
    (moved,) = api.get(f"{PATH}?event_id={other.pk}", headers=office).json()["items"]
    assert (moved["id"], moved["caption"], moved["isFeatured"], moved["sort_order"]) == (item["id"], "Later", False, 0)

    deleted = api.delete(path, headers=office)
    assert (deleted.status_code, set(deleted.json())) == (200, {"success", "message"})
    assert api.get(PATH, headers=office).json()["items"] == []
    actions = [(action, entity) for action, entity, _, _ in audit_rows()]
    assert actions == [
        ("CREATE", "gallery"),
        ("CREATE", "galleryimage"),
        ("CREATE", "gallery"),
        ("UPDATE", "galleryimage"),
        ("DELETE", "galleryimage"),
    ]


def test_item_has_both_casings(api, office):
    event = make_event()

    item = api.post(PATH, sent(event), headers=office).json()["item"]

    image = GalleryImage.objects.get()
    assert item == {
        "id": str(image.pk),
        "image_url": "https://example.com/1.jpg",
        "imageUrl": "https://example.com/1.jpg",
        "thumbnail_url": "https://example.com/1.jpg",
        "caption": "At dawn",
        "event_id": str(event.pk),
        "eventId": str(event.pk),
        "is_featured": True,
        "isFeatured": True,
        "sort_order": 3,
        "sortOrder": 3,
        "gallery_id": str(image.gallery_id),
    }


def test_new_picture_is_shown_to_guests(api, office):
    event = make_event(name="Luna")
    api.post(PATH, sent(event), headers=office)
    api.post(PATH, sent(), headers=office)

    albums = {album["title"]: album for album in api.get("/api/gallery").json()["galleries"]}

    assert set(albums) == {"Luna", flat_images.DEFAULT_TITLE}
    assert (albums["Luna"]["eventId"], albums["Luna"]["imageCount"]) == (str(event.pk), 1)
    assert albums["Luna"]["coverUrl"] == "https://example.com/1.jpg"


def test_camel_case_and_defaults(api, office):
    item = api.post(PATH, {"imageUrl": "https://a/1", "title": ""}, headers=office).json()["item"]

    assert (item["caption"], item["event_id"], item["is_featured"], item["sort_order"]) == (None, None, False, 0)


# --- Which album --------------------------------------------------------------------------------------------


def test_pictures_of_a_night_share_its_album(api, office):
    event = make_event()
    album = make_album(event=event)
    make_album(event=make_event())

    for number in range(2):
        api.post(PATH, sent(event, image_url=f"https://a/{number}"), headers=office)

    assert set(urls_of(album)) == {"https://a/0", "https://a/1"}
    assert Gallery.objects.count() == 2


def test_album_that_is_not_published_is_left_alone(api, office):
    event = make_event()
    draft = make_album(event=event, is_published=False)

    api.post(PATH, sent(event), headers=office)

    draft.refresh_from_db()
    assert (draft.is_published, urls_of(draft)) == (False, [])
    assert Gallery.objects.get(event=event, is_published=True).images.count() == 1


def test_pictures_of_no_night_share_one_album_and_no_other(api, office):
    by_hand = make_album(title="Backstage")

    for _ in range(2):
        api.post(PATH, sent(), headers=office)

    assert urls_of(by_hand) == []
    assert Gallery.objects.exclude(pk=by_hand.pk).get().images.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("of_a_night", [True, False])
def test_parallel_pictures_make_one_album(of_a_night):
    event_id = make_event().pk if of_a_night else None
    actor, start = make_user("admin"), Barrier(8)

    def add(number):
        start.wait()
        flat_images.add_image(actor=actor, event_id=event_id, image_url=f"https://a/{number}")
        connection.close()

    threads = [Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (Gallery.objects.count(), GalleryImage.objects.count()) == (1, 8)


# --- The list -----------------------------------------------------------------------------------------------


def test_items_are_in_order_then_newest(api, office):
    album = make_album()
    now = timezone.now()
    for url, place, age in (("c", 1, 0), ("b", 0, 2), ("a", 0, 1)):
        GalleryImage.objects.create(
            gallery=album, image_url=url, sort_order=place, created_at=now - timedelta(hours=age)
        )

    assert [item["image_url"] for item in api.get(PATH, headers=office).json()["items"]] == ["a", "b", "c"]


def test_items_are_filtered_and_albums_are_not(api, office):
    event = make_event()
    make_album("https://a/1", event=event).images.update(caption="50% off_Ñ")
    make_album("https://b/1").images.update(caption="Other")

    def found(**query):
        answer = api.get(PATH, query, headers=office).json()
        assert answer["count"] == 2
        return [item["image_url"] for item in answer["items"]]

    assert found(event_id=event.pk) == found(eventId=event.pk) == ["https://a/1"]
    assert found(search="oFF_ñ") == found(search="50%") == ["https://a/1"]
    assert found(search="%") == ["https://a/1"]
    assert found(search="nothing") == found(event_id=event.pk, search="other") == found(event_id=NOWHERE) == []
    assert len(found(search="", event_id="")) == 2


@pytest.mark.parametrize("query", ["event_id=abc", "event_id=..%2f", "search=%00", f"search={'a' * 501}"])
def test_bad_filter_is_invalid(api, office, query):
    assert refusal(api.get(f"{PATH}?{query}", headers=office)) == (400, "VALIDATION_ERROR")


# --- Changing and deleting one ------------------------------------------------------------------------------


@pytest.fixture
def image(db):
    album = make_album("https://a/1", "https://a/2", event=make_event(), description="d", cover_image_url="https://a/c")
    album.images.update(caption="c", cloudinary_public_id=f"{FOLDER}/1", is_featured=True)
    return album.images.get(sort_order=0)


def columns(image):
    return GalleryImage.objects.values().get(pk=image.pk)


def test_absent_keeps_and_nothing_else_is_touched(api, office, image):
    before, others = columns(image), list(GalleryImage.objects.exclude(pk=image.pk).values())
    album = Gallery.objects.values().get()

    assert api.put(f"{PATH}/{image.pk}", {"sortOrder": 9}, headers=office).status_code == 200

    assert columns(image) == {**before, "sort_order": 9}
    assert (list(GalleryImage.objects.exclude(pk=image.pk).values()), Gallery.objects.values().get()) == (others, album)
    assert audit_rows() == [("UPDATE", "galleryimage", None, {"changed": ["sort_order"]})]


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_empty_clear(api, office, image, nothing):
    body = {"caption": nothing, "event_id": nothing, "is_featured": None, "sort_order": None}

    assert api.put(f"{PATH}/{image.pk}", body, headers=office).status_code == 200

    after = columns(image)
    assert (after["caption"], after["is_featured"], after["sort_order"]) == (None, False, 0)
    assert Gallery.objects.get(pk=after["gallery_id"]).event_id is None


def test_same_night_keeps_the_album(api, office):
    event = make_event()
    make_album(event=event)
    second = make_album("https://a/1", event=event)
    image = second.images.get()

    api.put(f"{PATH}/{image.pk}", sent(event), headers=office)

    assert columns(image)["gallery_id"] == second.pk


def test_saving_what_is_there_already_changes_nothing(api, office, image):
    item = api.get(PATH, headers=office).json()["items"][0]

    assert api.put(f"{PATH}/{item['id']}", item, headers=office).status_code == 200
    assert audit_rows() == []


def test_another_picture_takes_its_small_copy_along(api, office, image, image_host, django_capture_on_commit_callbacks):
    GalleryImage.objects.exclude(pk=image.pk).delete()

    with django_capture_on_commit_callbacks(execute=True):
        api.put(f"{PATH}/{image.pk}", {"image_url": "https://a/new"}, headers=office)

    after = columns(image)
    assert (after["image_url"], after["thumbnail_url"], after["cloudinary_public_id"]) == (
        "https://a/new",
        "https://a/new",
        None,
    )
    assert image_host.removed == [[f"{FOLDER}/1"]]


@pytest.mark.parametrize(
    "change",
    [
        {"image_url": "javascript:alert(1)"},
        {"image_url": "data:image/png;base64,AAAA"},
        {"image_url": 5},
        {"image_url": "https://" + "a" * 100_000},
        {"image_url": "https://a/1", "event_id": "abc"},
        {"image_url": "https://a/1", "event_id": 5},
        {"image_url": "https://a/1", "caption": "a" * 501},
        {"image_url": "https://a/1", "caption": 5},
        {"image_url": "https://a/1", "is_featured": "yes"},
        {"image_url": "https://a/1", "sort_order": "3"},
        {"image_url": "https://a/1", "sort_order": 1.5},
        {"image_url": "https://a/1", "sort_order": True},
        {"image_url": "https://a/1", "sort_order": 2**31},
        {"image_url": "https://a/1", "sort_order": -(2**63)},
        {"image_url": "https://a/1", "cloudinaryId": "../victim"},
        {"image_url": "https://a/1", "thumbnail_url": "javascript:alert(1)"},
    ],
)
def test_bad_picture_is_invalid_to_add_and_to_change(api, office, image, change):
    before = columns(image)

    assert refusal(api.post(PATH, change, headers=office)) == (400, "VALIDATION_ERROR")
    assert refusal(api.put(f"{PATH}/{image.pk}", change, headers=office)) == (400, "VALIDATION_ERROR")
    assert (columns(image), GalleryImage.objects.count(), audit_rows()) == (before, 2, [])


@pytest.mark.parametrize("nothing", [None, ""])
def test_picture_cannot_lose_its_address(api, office, image, nothing):
    assert refusal(api.put(f"{PATH}/{image.pk}", {"image_url": nothing}, headers=office)) == (400, "VALIDATION_ERROR")
    assert refusal(api.post(PATH, sent(image_url=nothing), headers=office)) == (400, "VALIDATION_ERROR")


def test_unknown_night_changes_nothing(api, office, image):
    before = columns(image)

    assert refusal(api.post(PATH, sent(event_id=NOWHERE), headers=office)) == (404, "EVENT_NOT_FOUND")
    assert refusal(api.put(f"{PATH}/{image.pk}", sent(event_id=NOWHERE), headers=office)) == (404, "EVENT_NOT_FOUND")
    assert (columns(image), GalleryImage.objects.count(), Gallery.objects.count(), audit_rows()) == (before, 2, 1, [])


def test_deleting_a_picture_leaves_the_album(api, office, image, image_host, django_capture_on_commit_callbacks):
    image.gallery.images.exclude(pk=image.pk).update(cloudinary_public_id=f"{FOLDER}/2")

    with django_capture_on_commit_callbacks(execute=True):
        response = api.delete(f"{PATH}/{image.pk}", headers=office)

    assert response.status_code == 200
    assert urls_of(Gallery.objects.get()) == ["https://a/2"]
    assert image_host.removed == [[f"{FOLDER}/1"]]
    assert audit_rows() == [("DELETE", "galleryimage", {"gallery_id": str(image.gallery_id)}, None)]


def test_picture_has_no_page_of_its_own(api, office, image):
    assert refusal(api.get(f"{PATH}/{image.pk}", headers=office)) == (404, "GALLERY_NOT_FOUND")
