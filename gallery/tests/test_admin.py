"""The office's screen of albums and the page of an album's pictures."""

from uuid import UUID

import pytest
from django.urls import reverse

from audit.models import AuditLog
from gallery.models import Gallery, GalleryImage
from gallery.services import arranging
from gallery.services.arranging import Arrangement
from homeproductions import pictures
from homeproductions.errors import Invalid
from tests.factories import make_event, make_user
from tests.office_forms import fields_of

from .test_public_api import make_album

LIST = "/admin/gallery/gallery/"
ADD = "/admin/gallery/gallery/add/"
UPLOADED = "https://res.cloudinary.com/nights/image/upload/v1/a.jpg"


@pytest.fixture
def office(client, db):
    client.force_login(make_user("admin"))
    return client


@pytest.fixture
def album(db):
    return make_album(*(f"https://a/{name}" for name in "ABCDE"), title="Luna")


def path_of(album, name="change"):
    return reverse(f"admin:gallery_gallery_{name}", args=[album.pk])


def step_of(album, name):
    return reverse("admin:gallery_gallery_step", args=[album.pk, name])


def history():
    return AuditLog.objects.exclude(action="LOGIN")


def order_of(album):
    urls = album.images.order_by("sort_order").values_list("image_url", flat=True)
    return "".join(url[-1] for url in urls)


def ids_of(album):
    return {image.image_url[-1]: image.pk for image in album.images.all()}


# --- The service: order, captions, removal ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "order"),
    [
        ({}, "ABCDE"),
        ({"E": 1}, "EABCD"),
        ({"A": 5}, "BCDEA"),
        ({"B": 4}, "ACDBE"),
        ({"D": 2}, "ADBCE"),
        ({"A": 2, "B": 1}, "BACDE"),
        ({"A": 5, "B": 4, "C": 3, "D": 2, "E": 1}, "EDCBA"),
        ({"A": 99}, "BCDEA"),
        ({"D": 1, "E": 1}, "DEABC"),
    ],
)
def test_picture_gets_the_place_it_is_given(album, places, order):
    ids = ids_of(album)

    arranging.arrange(
        album.pk, Arrangement({ids[name]: place for name, place in places.items()}), actor=make_user("admin")
    )

    assert order_of(album) == order
    assert list(album.images.order_by("sort_order").values_list("sort_order", flat=True)) == [0, 1, 2, 3, 4]


def test_arranging_is_one_entry_of_the_history(album):
    ids, office = ids_of(album), make_user("admin")
    GalleryImage.objects.filter(pk=ids["A"]).update(caption="Dawn")
    wanted = Arrangement({ids["E"]: 1, ids["A"]: 1}, {ids["A"]: None, ids["B"]: "Dusk", ids["C"]: None}, [ids["D"]])

    done = arranging.arrange(album.pk, wanted, actor=office)

    assert (order_of(album), done) == ("EABC", {"moved": 1, "captioned": 2, "removed": 1})
    assert set(album.images.values_list("caption", flat=True)) == {None, "Dusk"}
    [row] = history()
    assert (row.action, row.entity_id, row.user, row.new_value) == ("UPDATE", album.pk, office, {"images": done})


def test_arranging_nothing_is_no_entry(album):
    ids = ids_of(album)
    wanted = Arrangement({pk: place for place, pk in enumerate(ids.values(), 1)}, {ids["A"]: None})
    GalleryImage.objects.filter(gallery=album).update(caption=None)

    done = arranging.arrange(album.pk, wanted, actor=make_user("admin"))

    assert (order_of(album), done) == ("ABCDE", {"moved": 0, "captioned": 0, "removed": 0})
    assert not history().exists()


def test_picture_of_another_album_is_left_alone(album):
    other = make_album("https://a/X")
    wanted = Arrangement({ids_of(other)["X"]: 1}, {ids_of(other)["X"]: "Mine"}, [ids_of(other)["X"]])

    arranging.arrange(album.pk, wanted, actor=make_user("admin"))

    assert (order_of(other), order_of(album)) == ("X", "ABCDE")


def test_removed_picture_goes_at_the_host(album, image_host, django_capture_on_commit_callbacks):
    image = album.images.first()
    GalleryImage.objects.filter(pk=image.pk).update(cloudinary_public_id="home-productions/galleries/temp/a")

    with django_capture_on_commit_callbacks(execute=True):
        arranging.arrange(album.pk, Arrangement(removed=[image.pk]), actor=make_user("admin"))

    assert image_host.removed == [["home-productions/galleries/temp/a"]]


def test_uploaded_picture_joins_at_the_end_with_a_small_copy(album, cloudinary):
    public_id = f"home-productions/galleries/{album.pk}/a"

    image = arranging.add_to_album(album.pk, image_url=UPLOADED, public_id=public_id, actor=make_user("admin"))

    assert (image.sort_order, image.cloudinary_public_id, image.image_url) == (5, public_id, UPLOADED)
    assert image.thumbnail_url == f"https://res.cloudinary.com/nights/image/upload/{pictures.SMALL}/v1/a.jpg"
    assert history().get().new_value == {"gallery_id": str(album.pk)}


@pytest.mark.parametrize(
    "public_id", ["home-productions/events/x/a", "home-productions/galleries/other/a", "a", "../a"]
)
def test_picture_that_was_uploaded_for_something_else_is_refused(album, public_id):
    with pytest.raises(Invalid):
        arranging.add_to_album(album.pk, image_url=UPLOADED, public_id=public_id, actor=make_user("admin"))
    assert album.images.count() == 5


# --- The list and the form ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 4])
def test_list_asks_the_same_questions_however_many_albums_there_are(office, django_assert_num_queries, count):
    for number in range(count):
        make_album("https://a/1", "https://a/2", event=make_event(name=f"Night {number}"))

    with django_assert_num_queries(4):
        page = office.get(LIST).content.decode()
    assert page.count("https://a/1") == count


@pytest.mark.parametrize(("query", "found"), [("", 2), ("?published=no", 1), ("?q=luna", 1), ("?q=barranco", 1)])
def test_list_is_filtered_and_searched(office, query, found):
    make_album(event=make_event(name="Luna"))
    make_album(is_published=False, photographer="Estudio Barranco")

    assert office.get(LIST + query).context["cl"].result_count == found


def test_new_album_leads_to_its_pictures(office):
    event = make_event()
    answer = office.post(ADD, {**fields_of(office.get(ADD), "gallery_form"), "title": "Luna", "event": str(event.pk)})

    album = Gallery.objects.get()
    assert answer.headers["Location"] == path_of(album, "pictures")
    assert (album.title, album.event, album.is_published, album.created_by.role) == ("Luna", event, False, "admin")
    assert history().get().action == "CREATE"


def test_change_is_saved_with_its_history(office, album):
    answer = office.post(
        path_of(album), {**fields_of(office.get(path_of(album)), "gallery_form"), "photographer": "Ana", "event": ""}
    )

    assert answer.status_code == 302
    album.refresh_from_db()
    assert (album.title, album.photographer, order_of(album)) == ("Luna", "Ana", "ABCDE")
    assert history().get().new_value == {"changed": ["photographer"]}


def test_form_sent_back_as_it_came_changes_nothing(office, album):
    office.post(path_of(album), fields_of(office.get(path_of(album)), "gallery_form"))

    assert not history().exists()


def test_album_is_published_and_hidden(office):
    album = make_album(is_published=False)

    office.post(step_of(album, "publish"))
    assert Gallery.objects.get().is_published is True
    office.post(step_of(album, "unpublish"))
    assert Gallery.objects.get().is_published is False
    assert [row.new_value for row in history()] == [{"changed": ["is_published"]}] * 2


def test_album_is_deleted_after_its_own_page_said_what_goes(office, album):
    assert "It has 5 pictures." in office.get(step_of(album, "delete")).content.decode()

    assert office.post(step_of(album, "delete")).headers["Location"] == LIST
    assert (Gallery.objects.count(), GalleryImage.objects.count()) == (0, 0)


# --- The page of pictures -----------------------------------------------------------------------------------------


def sent(album, **changes):
    """What the page sends: the place and caption of each picture that it shows; `A_place="5"` changes one."""
    ids = ids_of(album)
    shown = {name: {"place": str(place), "caption": ""} for place, name in enumerate(order_of(album), 1)}
    for name, value in changes.items():
        picture, field = name.split("_")
        shown[picture][field] = value
    return {f"{ids[name]}-{field}": value for name, fields in shown.items() for field, value in fields.items()}


def test_pictures_are_ordered_captioned_and_removed(office, album):
    path = path_of(album, "pictures")

    answer = office.post(path, sent(album, A_place="3", B_caption="Dusk", E_remove="on"))

    assert answer.headers["Location"] == path
    assert (order_of(album), album.images.get(image_url="https://a/B").caption) == ("BCAD", "Dusk")


def test_picture_that_was_added_meanwhile_stays(office, album):
    fields = sent(album, A_place="5")
    arranging.add_to_album(album.pk, image_url="https://a/F", actor=make_user("admin"))

    office.post(path_of(album, "pictures"), fields)

    assert order_of(album) == "BCDEAF"


def test_page_of_pictures_that_was_open_for_long_undoes_nothing(office, album):
    path, ids = path_of(album, "pictures"), ids_of(album)
    old = {**sent(album), **{f"initial-{name}": value for name, value in sent(album).items()}}
    office.post(path, {**old, **sent(album, A_caption="Dusk", B_place="5")})

    office.post(path, {**old, f"{ids['C']}-caption": "Dawn"})

    assert order_of(album) == "ACDEB"
    assert dict(album.images.exclude(caption=None).values_list("pk", "caption")) == {ids["A"]: "Dusk", ids["C"]: "Dawn"}


@pytest.mark.parametrize("changes", [{"A_place": "0"}, {"A_place": "x"}, {"A_caption": "x" * 501}])
def test_what_cannot_be_is_said_and_nothing_saved(office, album, changes):
    answer = office.post(path_of(album, "pictures"), sent(album, **{"B_place": "1", **changes}))

    assert (answer.status_code, "Nothing was saved" in answer.content.decode()) == (200, True)
    assert order_of(album) == "ABCDE"


def test_long_album_is_shown_in_pages_and_ordered_across_them(office):
    album = make_album(*(f"https://a/{number:03}" for number in range(130)))
    path = path_of(album, "pictures")

    pages = [office.get(path, {"page": page}).context["page"] for page in ("1", "2", "last", "nonsense")]
    assert [(page.start_index(), len(page)) for page in pages] == [(1, 60), (61, 60), (121, 10), (1, 60)]

    last = album.images.get(image_url="https://a/129")
    office.post(path, {f"{last.pk}-place": "2", f"{last.pk}-caption": ""})
    assert album.images.order_by("sort_order")[1] == last


def test_picture_from_elsewhere_is_added_by_its_address(office, album):
    path = path_of(album, "pictures")
    body = {"add-address": "1", "elsewhere-image_url": "https://img.example.com/F", "elsewhere-caption": "Dawn"}

    assert office.post(path, {**body, "elsewhere-image_url": "javascript:alert(1)"}).status_code == 200
    assert office.post(path, body).headers["Location"] == f"{path}?page=last"

    image = album.images.order_by("sort_order").last()
    assert (order_of(album), image.caption, image.thumbnail_url) == ("ABCDEF", "Dawn", "https://img.example.com/F")


def test_permit_and_what_the_browser_reports(office, album, cloudinary):
    permit = office.post(path_of(album, "permit")).json()
    folder = f"home-productions/galleries/{album.pk}"
    assert permit["folder"] == folder

    url = f"https://res.cloudinary.com/nights/image/upload/v1/{folder}/a.jpg"
    told = {"url": url, "public_id": f"{folder}/a"}
    others = (
        "data:x",
        url.replace("https:", "http:"),
        url.replace("res.cloudinary.com", "example.com"),
        url.replace("nights", "theirs"),
        url.replace(str(album.pk), "temp"),
    )
    answers = [
        office.post(path_of(album, "add_picture"), body).status_code
        for body in (told, {**told, "public_id": "x"}, *({**told, "url": other} for other in others), {})
    ]

    assert answers == [200, *[400] * 7]
    assert [image.image_url for image in album.images.exclude(cloudinary_public_id=None)] == [url]


def test_page_says_when_pictures_cannot_be_uploaded(office, album):
    page = office.get(path_of(album, "pictures")).content.decode()

    assert ("the image host is not set up" in page, "data-uploads" in page) == (True, False)
    assert office.post(path_of(album, "permit")).status_code == 400


def test_only_the_page_that_uploads_may_reach_the_image_host(office, album, cloudinary):
    def policy(path):
        return "https://api.cloudinary.com" in office.get(path).headers["Content-Security-Policy"]

    assert [policy(path) for path in (path_of(album, "pictures"), path_of(album), LIST)] == [True, False, False]


@pytest.mark.parametrize(("role", "is_allowed"), [("staff", False), ("admin", True), ("superadmin", True)])
def test_albums_are_for_the_office(client, db, cloudinary, album, role, is_allowed):
    client.force_login(make_user(role))
    gets = (LIST, ADD, path_of(album), path_of(album, "pictures"), step_of(album, "delete"))
    posts = {
        path_of(album, "pictures"): sent(album),
        path_of(album, "add_picture"): {
            "url": UPLOADED.replace("v1/", f"v1/home-productions/galleries/{album.pk}/"),
            "public_id": f"home-productions/galleries/{album.pk}/a",
        },
        path_of(album, "permit"): {},
        reverse("admin:gallery_gallery_permit"): {},
        step_of(album, "publish"): {},
    }

    answers = [client.get(path).status_code for path in gets]
    answers += [client.post(path, body).status_code for path, body in posts.items()]

    assert answers == ([200] * 5 + [302, 200, 200, 200, 302] if is_allowed else [403] * 10)
    assert album.images.count() == (6 if is_allowed else 5)


def test_unknown_album_is_not_found(office):
    nowhere = Gallery(pk=UUID(int=1))

    assert office.get(path_of(nowhere, "pictures")).status_code == 404
    assert office.post(path_of(nowhere, "permit")).status_code == 404
