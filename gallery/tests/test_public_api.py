"""Albums for guests (contract 2.6)."""

import re
from datetime import date, datetime, timedelta

import pytest
from django.utils import timezone

from gallery.models import Gallery, GalleryImage
from tests.factories import make_event

KEYS = {
    "id",
    "title",
    "description",
    "coverUrl",
    "eventId",
    "eventName",
    "eventDate",
    "photographer",
    "createdAt",
}


def make_album(*image_urls, **fields):
    """A published album; its pictures in reverse, so that only their sort order puts them right."""
    album = Gallery.objects.create(**{"title": "Night", "is_published": True, **fields})
    for position, url in reversed(list(enumerate(image_urls))):
        GalleryImage.objects.create(gallery=album, image_url=url, thumbnail_url=f"{url}?s", sort_order=position)
    return album


def test_list_has_the_contracts_keys_and_formats(api):
    event = make_event(name="Luna", event_date=date(2027, 2, 14))
    album = make_album("https://a/1", "https://a/2", event=event, description="x", photographer="Ana")

    answer = api.get("/api/gallery/").json()

    assert (set(answer), answer["success"], answer["count"]) == ({"success", "galleries", "count"}, True, 1)
    (shown,) = answer["galleries"]
    assert set(shown) == KEYS | {"imageCount"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", shown.pop("createdAt"))
    assert shown == {
        "id": str(album.pk),
        "title": "Night",
        "description": "x",
        "coverUrl": "https://a/1",
        "eventId": str(event.pk),
        "eventName": "Luna",
        "eventDate": "2027-02-14T00:00:00.000Z",
        "photographer": "Ana",
        "imageCount": 2,
    }


def test_unset_is_null(api):
    album = make_album()

    for shown in (
        api.get("/api/gallery").json()["galleries"][0],
        api.get(f"/api/gallery/{album.pk}").json()["gallery"],
    ):
        assert {key for key, value in shown.items() if value is None} == {
            "description",
            "coverUrl",
            "eventId",
            "eventName",
            "eventDate",
            "photographer",
        }


def test_list_is_published_only_and_newest_first(api):
    now = timezone.now()
    old = make_album(created_at=now - timedelta(days=2))
    new = make_album(created_at=now)
    make_album(is_published=False)

    assert [album["id"] for album in api.get("/api/gallery").json()["galleries"]] == [str(new.pk), str(old.pk)]


def test_album_shows_its_pictures_in_order(api):
    album = make_album("https://a/1", "https://a/2", title="Luna")
    other = make_album("https://b/1")

    answer = api.get(f"/api/gallery/{album.pk}").json()

    assert set(answer) == {"success", "gallery"}
    assert set(answer["gallery"]) == KEYS | {"images"}
    images = answer["gallery"]["images"]
    assert [set(image) for image in images] == [{"id", "url", "thumbnail", "caption"}] * 2
    assert [(image["url"], image["thumbnail"], image["caption"]) for image in images] == [
        ("https://a/1", "https://a/1?s", None),
        ("https://a/2", "https://a/2?s", None),
    ]
    assert api.get(f"/api/gallery/{other.pk}/").json()["gallery"]["images"][0]["url"] == "https://b/1"


@pytest.mark.parametrize(
    ("urls", "stored", "cover"),
    [
        (["https://a/1"], "https://a/cover", "https://a/1"),
        (["https://a/1"], None, "https://a/1"),
        ([], "https://a/cover", "https://a/cover"),
        ([], None, None),
    ],
)
def test_cover_is_the_first_picture_or_the_stored_one_in_both(api, urls, stored, cover):
    album = make_album(*urls, cover_image_url=stored)

    assert api.get("/api/gallery").json()["galleries"][0]["coverUrl"] == cover
    assert api.get(f"/api/gallery/{album.pk}").json()["gallery"]["coverUrl"] == cover


def test_equal_places_show_the_newest_first(api):
    album = make_album()
    for minute, url in enumerate(("https://a/old", "https://a/new")):
        moment = timezone.make_aware(datetime(2026, 1, 1, 0, minute))  # noqa: DTZ001
        GalleryImage.objects.create(gallery=album, image_url=url, created_at=moment)

    shown = api.get(f"/api/gallery/{album.pk}").json()["gallery"]
    assert ([image["url"] for image in shown["images"]], shown["coverUrl"]) == (
        ["https://a/new", "https://a/old"],
        "https://a/new",
    )


def test_unpublished_album_is_not_found(api):
    response = api.get(f"/api/gallery/{make_album(is_published=False).pk}")

    assert (response.status_code, response.json()["code"]) == (404, "GALLERY_NOT_FOUND")


@pytest.mark.parametrize(
    "reference", ["abc", "0", "-1", str(2**63), "4b825dc6-42cb-4eb9-9a06-0e54bf8d69e1", "%F0%28%8C%28", "a" * 5000]
)
def test_unknown_album_is_not_found(api, reference):
    response = api.get(f"/api/gallery/{reference}")

    assert (response.status_code, set(response.json())) == (404, {"success", "error", "code"})
    assert response.json()["code"] == "GALLERY_NOT_FOUND"


@pytest.mark.parametrize("count", [1, 30])
def test_lists_need_the_same_queries_whatever_their_length(api, django_assert_num_queries, count):
    for number in range(count):
        album = make_album(*(f"https://a/{number}/{n}" for n in range(count)), event=make_event())

    with django_assert_num_queries(1):
        assert api.get("/api/gallery").json()["count"] == count
    with django_assert_num_queries(2):
        assert len(api.get(f"/api/gallery/{album.pk}").json()["gallery"]["images"]) == count
