"""Nights and albums in a real browser: planned, published, cancelled with a dry run, and their pictures uploaded."""

import base64

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from events.models import Event
from gallery.models import Gallery
from homeproductions.mail.models import OutboxEmail
from orders.models import CheckIn, Order
from tests import image_host
from tests.browser import DESK, PHONE, browsing, visitor  # noqa: F401  (a fixture)
from tests.factories import make_event, make_order, make_tier, make_user
from tests.processes import web_server

PIXEL = base64.b64decode("R0lGODlhAQABAIAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
LIST = "/admin/events/event/"


@pytest.fixture
def office(visitor):  # noqa: F811
    visitor.sign_in(make_user("admin"))
    return visitor


@pytest.fixture(scope="module")
def house_with_images(django_db_setup):
    """A stand-in for the image host, and the address of a server whose pages upload to it."""
    account = {
        "CLOUDINARY_CLOUD_NAME": image_host.CLOUD,
        "CLOUDINARY_API_KEY": image_host.KEY,
        "CLOUDINARY_API_SECRET": image_host.SECRET,
    }
    with (
        image_host.running() as running,
        web_server("tests.local_images_wsgi", workers=1, IMAGE_HOST=running.address, **account) as address,
    ):
        yield running, address


@pytest.fixture
def host(house_with_images):
    running, _ = house_with_images
    running.forget()
    return running


@pytest.fixture
def uploader(transactional_db, host, house_with_images):
    """Somebody of the office whose browser reaches the image host."""
    with browsing(house_with_images[1]) as somebody:
        somebody.sign_in(make_user("admin"))
        somebody.page.route("https://res.cloudinary.com/**", lambda route: route.fulfill(body=PIXEL))
        yield somebody


def picture(name):
    return {"name": name, "mimeType": "image/png", "buffer": f"not really a picture: {name}".encode()}


def page_of(row, name="change"):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{name}", args=[row.pk])


# --- Stories ------------------------------------------------------------------------------------------------------


def test_a_night_is_planned_and_published(office):
    page = office.open(LIST)
    page.locator(".addlink", has_text="event").last.click()
    page.get_by_label("Name", exact=False).first.fill("Luna Llena")
    page.get_by_label("Date").fill("2028-02-14")
    page.get_by_label("Begins").fill("22:30")
    page.get_by_label("Location").fill("Antigua")
    first = page.locator("#tiers-0")
    first.get_by_label("Name").fill("General")
    first.get_by_label("Price").fill("25.50")
    first.get_by_label("Quantity").fill("60")
    office.press("Add another Ticket tier")
    second = page.locator("#tiers-1")
    second.get_by_label("Name").fill("VIP")
    second.get_by_label("Price").fill("60")
    second.get_by_label("Quantity").fill("10")
    office.press("Save")

    page.get_by_role("link", name="Luna Llena").first.click()
    office.press("Publish")
    page.get_by_text("General: 60 tickets at 25.50 USD, on sale at once.").wait_for()
    office.press("Publish")
    page.get_by_text("Luna Llena (2028-02-14) is published.").wait_for()

    event = Event.objects.get()
    assert (event.status, str(event.event_time)) == ("active", "22:30:00")
    assert list(event.tiers.order_by("sort_order").values_list("name", "quantity")) == [("General", 60), ("VIP", 10)]
    shown = page.request.get(f"{office.address}/api/events").json()["events"]
    assert [each["name"] for each in shown] == ["Luna Llena"]


def test_a_night_is_cancelled_after_a_look_at_what_that_means(office):
    tier = make_tier(make_event(name="Luna"), quantity=100)
    for state in ("pending", "paid", "paid"):
        make_order(tier, state, quantity=2)
    CheckIn.objects.create(order=make_order(tier, "paid"), admitted=1)

    page = office.open(LIST)
    page.get_by_role("link", name="Luna").click()
    office.press("Cancel the night")
    page.get_by_text("Paid orders: 3, with 127.50 USD.").wait_for()
    page.get_by_text("1 belong to guests who were let in already").wait_for()
    assert Order.objects.filter(status="paid").count() == 3

    page.get_by_label("Refund every paid order, except those of guests who were let in").check()
    office.press("Cancel the night")

    page.get_by_text("The night is cancelled, and its orders are settled:").wait_for()
    counted = {state: Order.objects.filter(status=state).count() for state in Order.Status.values}
    assert counted == {"pending": 0, "paid": 1, "cancelled": 1, "refunded": 2}
    assert set(OutboxEmail.objects.values_list("email_type", flat=True)) == {"event_off", "refund"}


def test_the_picture_of_a_night_is_uploaded_and_kept_with_the_form(uploader, host):
    event = make_event()
    page = uploader.open(page_of(event))

    page.get_by_label("Upload a picture").set_input_files(picture("cover.png"))
    page.get_by_text("Uploaded. Save to keep it.").wait_for()
    expect(page.get_by_role("img", name="The picture of this night")).to_be_visible()
    event.refresh_from_db()
    assert event.image_url is None

    uploader.press("Save")
    page.get_by_text("was changed successfully").wait_for()
    event.refresh_from_db()
    folder = f"home-productions/events/{event.pk}"
    [sent] = host.uploads
    assert event.cloudinary_public_id.startswith(f"{folder}/")
    assert (event.image_url, sent["folder"], sent["file"]) == (
        f"https://res.cloudinary.com/{image_host.CLOUD}/image/upload/{event.cloudinary_public_id}.jpg",
        folder,
        "not really a picture: cover.png",
    )
    assert set(sent) == {"file", "api_key", "timestamp", "signature", "folder", "transformation"}


def test_what_the_image_host_refuses_is_said(uploader, host):
    host.refuse = 400
    page = uploader.open(page_of(make_event()))

    page.get_by_label("Upload a picture").set_input_files(picture("cover.png"))

    page.get_by_text("No.", exact=True).wait_for()
    expect(page.get_by_role("img", name="The picture of this night")).not_to_be_visible()
    # The browser notes a refused request on its console, which is no complaint about our page.
    uploader.complaints = [each for each in uploader.complaints if "status of 400" not in each]


@pytest.mark.parametrize("answer", ["null", '{"secure_url": "javascript:alert(1)", "public_id": "x"}'])
def test_odd_answer_of_the_image_host_is_a_failure(uploader, answer):
    said = {"body": answer, "headers": {"Access-Control-Allow-Origin": "*"}}
    page = uploader.open(page_of(make_event()))
    page.route("**/image/upload", lambda route: route.fulfill(**said))

    page.get_by_label("Upload a picture").set_input_files(picture("cover.png"))

    page.get_by_text("The image host did not take it.").wait_for()
    assert page.locator("[name=image_url]").input_value() == ""


def test_many_pictures_are_uploaded_at_once_and_put_in_order(uploader, host):
    album = Gallery.objects.create(title="Luna")
    page = uploader.open(page_of(album, "pictures"))

    with page.expect_navigation(url="**?page=last"):
        page.get_by_label("Choose pictures").set_input_files([picture(f"{number}.png") for number in range(7)])

    sent = {fields["file"]: fields for fields in host.uploads}
    assert len(sent) == 7
    assert {fields["signature"] for fields in sent.values()} == {host.uploads[0]["signature"]}  # one permit for all
    assert album.images.count() == 7
    assert page.get_by_role("listitem").filter(has=page.get_by_label("Place")).count() == 7

    first, last = (page.locator("[data-picture]").nth(place) for place in (0, 6))
    before = list(album.images.order_by("sort_order").values_list("pk", flat=True))
    last.drag_to(first, target_position={"x": 5, "y": 40})
    assert [each.input_value() for each in page.get_by_label("Place").all()] == [str(place) for place in range(1, 8)]
    uploader.press("Save")
    page.get_by_text("Saved: ").wait_for()
    assert list(album.images.order_by("sort_order").values_list("pk", flat=True)) == [before[6], *before[:6]]

    # And by number, with the keyboard alone.
    page.get_by_label("Place").nth(0).focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    page.get_by_text("Saved: 1 moved").wait_for()
    assert list(album.images.order_by("sort_order").values_list("pk", flat=True)) == before


def test_failed_uploads_are_tried_again(uploader, host):
    album = Gallery.objects.create(title="Luna")
    page = uploader.open(page_of(album, "pictures"))
    host.refuse = 500
    page.get_by_label("Choose pictures").set_input_files([picture("a.png"), picture("b.png")])
    page.get_by_text("0 of 2 uploaded, 2 failed.").wait_for()

    host.refuse = None
    with page.expect_navigation(url="**?page=last"):
        uploader.press("Try the failed ones again")

    assert album.images.count() == 2
    uploader.complaints = [each for each in uploader.complaints if "status of 500" not in each]


# --- For everybody ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "scheme"), [(DESK, "light"), (PHONE, "dark")], ids=["desk-light", "phone-dark"])
def test_pages_have_no_barriers(office, size, scheme):
    tier = make_tier(make_event(name="Luna", image_url=f"{office.address}/static/public/icon.svg"))
    make_order(tier, "paid")
    make_order(tier)
    album = Gallery.objects.create(title="Luna", event=tier.event)
    for place in range(3):
        album.images.create(image_url=f"{office.address}/static/public/icon.svg", sort_order=place)
    step = reverse("admin:events_event_step", args=[tier.event_id, "cancel"])
    album_list = reverse("admin:gallery_gallery_changelist")
    pages = (LIST, album_list, page_of(tier.event), f"{LIST}add/", step, page_of(album), page_of(album, "pictures"))
    office.page.set_viewport_size(size)
    office.page.emulate_media(color_scheme=scheme)

    for path in pages:
        page = office.open(path)
        assert (path, office.barriers()) == (path, [])
        assert (path, page.evaluate("document.documentElement.scrollWidth")) == (path, size["width"])


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_name_without_a_blank_widens_no_page(office, size):
    word = "W" * 255
    event = make_event(name=word, venue=word, location=word, event_date=timezone.localdate())
    tier = make_tier(event, name=word)
    order = make_order(tier, "paid", buyer_name=word)
    album = Gallery.objects.create(title=word, event=event)
    steps = [reverse("admin:events_event_step", args=[event.pk, name]) for name in ("cancel", "duplicate")]
    draft = make_event(name=word, status="draft")
    steps.append(reverse("admin:events_event_step", args=[draft.pk, "publish"]))
    lists = [reverse(f"admin:{name}_changelist") for name in ("orders_order", "gallery_gallery")]
    door = [reverse("door-lists"), reverse("door-list", args=[event.pk])]
    office.page.set_viewport_size(size)

    widths = {}
    for path in ("/admin/", LIST, page_of(event), *steps, *lists, *door, page_of(order), page_of(album)):
        widths[path] = office.open(path).evaluate("document.documentElement.scrollWidth")

    assert {path: width for path, width in widths.items() if width != size["width"]} == {}
