"""The office's screen of nights: what it lists, what its form saves, and who may do what."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditLog
from events.models import Event, TicketTier
from orders.models import Order
from tests.factories import make_event, make_order, make_tier, make_user
from tests.office_forms import fields_of

LIST = "/admin/events/event/"
ADD = "/admin/events/event/add/"
ROLES = {"staff": False, "admin": True, "superadmin": True}


@pytest.fixture
def office(client, db):
    client.force_login(make_user("admin"))
    return client


def history():
    return AuditLog.objects.exclude(action="LOGIN")


def page_of(event):
    return reverse("admin:events_event_change", args=[event.pk])


def step_of(event, name):
    return reverse("admin:events_event_step", args=[event.pk, name])


def saved(client, path, **changes):
    """Open the form, change these fields, and save it. Returns the answer."""
    fields = fields_of(client.get(path), "event_form")
    return client.post(path, {**fields, **changes})


def errors_of(answer):
    assert answer.status_code == 200
    form = answer.context["adminform"].form
    tiers = [form.errors for form in answer.context["inline_admin_formsets"][0].formset.forms]
    return {**form.errors, **{name: words for errors in tiers for name, words in errors.items()}}


# --- The list ---------------------------------------------------------------------------------------------------


def test_list_shows_seats_and_revenue(office):
    tier = make_tier(make_event(name="Luna"), quantity=60)
    make_tier(tier.event, name="VIP", quantity=40, price=Decimal("10"), currency="GTQ")
    make_order(tier, "paid", quantity=2)
    make_order(tier.event.tiers.get(name="VIP"), "paid")
    make_order(tier, "pending", quantity=3)

    page = office.get(LIST).content.decode()

    assert "3 of 100, 3 held" in page
    assert "10.00 GTQ and 51.00 USD" in page


@pytest.mark.parametrize("rows", [1, 5])
def test_list_asks_the_same_questions_however_many_nights_there_are(office, django_assert_num_queries, rows):
    for _ in range(rows):
        make_order(status="paid")

    with django_assert_num_queries(7):
        office.get(LIST)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"Luna", "Sol", "Eclipse"}),
        ("?status=deleted", {"Gone"}),
        ("?status=draft", {"Sol"}),
        ("?when=coming", {"Luna", "Sol"}),
        ("?when=past", {"Eclipse"}),
        ("?kind=festival", {"Eclipse"}),
        ("?q=patio", {"Luna"}),
        ("?q=quetzal", {"Sol"}),
    ],
)
def test_list_is_filtered_and_searched(office, query, found):
    past = timezone.localdate() - timedelta(days=1)
    make_event(name="Luna", venue="El Patio")
    make_event(name="Sol", status="draft", main_artist="DJ Quetzal")
    make_event(name="Eclipse", status="completed", event_type="festival", event_date=past)
    make_event(name="Gone", status="deleted")

    shown = office.get(LIST + query).context["cl"].result_list

    assert {event.name for event in shown} == found


@pytest.mark.parametrize(("role", "sees"), ROLES.items())
def test_money_is_for_the_office(client, db, role, sees):
    order = make_order(status="paid")
    client.force_login(make_user(role))

    assert ("25.50 USD" in client.get(LIST).content.decode()) is sees
    page = client.get(page_of(order.event)).content.decode()
    assert ("Revenue" in page, "History" in page) == (sees, sees)


# --- The form ---------------------------------------------------------------------------------------------------

NEW = {
    "name": "Luna Llena",
    "event_date": "2027-02-14",
    "event_time": "22:30",
    "location": "Antigua",
    "venue": "El Patio",
    "event_type": "festival",
    "artists": "DJ Quetzal\n\n Nahual ",
    "min_age": "21",
    "tiers-0-name": "General",
    "tiers-0-price": "25.50",
    "tiers-0-currency": "gtq",
    "tiers-0-quantity": "60",
    "tiers-0-sale_starts_at": "2027-01-01T10:00",
}


def test_new_night_is_a_draft_with_its_tiers(office):
    answer = saved(office, ADD, **NEW)

    event = Event.objects.get()
    assert answer.status_code == 302
    assert (event.name, str(event.event_date), event.status, event.venue, event.min_age) == (
        "Luna Llena",
        "2027-02-14",
        "draft",
        "El Patio",
        21,
    )
    assert (event.slug, event.artists, event.description, event.image_url) == (
        "luna-llena-2027-02-14",
        ["DJ Quetzal", "Nahual"],
        None,
        None,
    )
    [tier] = event.tiers.all()
    assert (tier.name, tier.price, tier.currency, tier.quantity, tier.sold) == (
        "General",
        Decimal("25.50"),
        "GTQ",
        60,
        0,
    )
    assert timezone.localtime(tier.sale_starts_at).isoformat() == "2027-01-01T10:00:00-06:00"
    row = AuditLog.objects.get(action="CREATE", entity_type="event")
    assert (row.entity_id, row.user.role) == (event.pk, "admin")


def test_change_is_saved_with_its_history_and_nothing_else(office):
    event = make_event(name="Luna", description="Under the volcano", event_time="22:30")
    make_tier(event, name="Second", sort_order=1)
    make_tier(event, name="First", sort_order=0)

    answer = saved(office, page_of(event), **{"venue": "El Patio", "tiers-1-quantity": "120"})

    assert answer.status_code == 302
    event.refresh_from_db()
    assert (event.name, event.venue, event.description) == ("Luna", "El Patio", "Under the volcano")
    assert list(event.tiers.order_by("sort_order").values_list("name", "quantity")) == [("First", 100), ("Second", 120)]
    changes = history().order_by("entity_type").values_list("action", "old_value", "new_value")
    assert list(changes) == [
        ("UPDATE", {"venue": None}, {"venue": "El Patio"}),
        ("UPDATE", {"quantity": 100}, {"quantity": 120}),
    ]


def test_form_sent_back_as_it_came_changes_nothing(office):
    event = make_event(artists=["A", "B"], end_time="03:00", image_url="https://img.example.com/a.jpg")
    make_tier(
        event, sale_ends_at=timezone.now().replace(second=0, microsecond=0), payment_link="https://pay.example.com"
    )

    assert saved(office, page_of(event)).status_code == 302

    assert not history().exists()


def test_tiers_are_added_removed_and_put_in_order(office):
    tier = make_tier(name="Early", sort_order=0)
    other, gone = make_tier(tier.event, name="Late", sort_order=1), make_tier(tier.event, name="Gone", sort_order=2)
    changes = {
        "tiers-TOTAL_FORMS": "4",
        "tiers-0-sort_order": "5",
        "tiers-2-remove": "on",
        "tiers-3-id": "",
        "tiers-3-event": str(tier.event_id),
        "tiers-3-name": "New",
        "tiers-3-price": "5",
        "tiers-3-currency": "USD",
        "tiers-3-quantity": "10",
        "tiers-3-max_per_order": "10",
        "tiers-3-is_active": "on",
    }

    assert saved(office, page_of(tier.event), **changes).status_code == 302

    assert list(tier.event.tiers.order_by("sort_order").values_list("name", flat=True)) == ["Late", "Early", "New"]
    assert not TicketTier.objects.filter(pk=gone.pk).exists()
    assert TicketTier.objects.get(pk=other.pk).is_active


def test_removed_tier_with_orders_goes_off_sale_only(office):
    order = make_order(status="cancelled")

    assert saved(office, page_of(order.event), **{"tiers-0-remove": "on"}).status_code == 302

    assert TicketTier.objects.get().is_active is False
    assert "General has orders, so it stays; it is off sale now." in office.get(LIST).content.decode()


def test_sale_that_begins_after_the_night_is_refused(office):
    event = make_tier(make_event(event_date="2027-02-14")).event

    errors = errors_of(saved(office, page_of(event), **{"tiers-0-sale_starts_at": "2027-02-16T10:00"}))

    assert errors == {"__all__": ["General: the sale begins when the night is over."]}


def test_quantity_below_nothing_is_refused_once(office):
    errors = errors_of(saved(office, page_of(make_tier().event), **{"tiers-0-quantity": "-1"}))

    assert errors == {"quantity": ["Ensure this value is greater than or equal to 0."]}


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"name": ""}, "name", "This field is required."),
        ({"image_url": "javascript:alert(1)"}, "image_url", "This must be a whole address"),
        ({"image_url": "http://img.example.com/a.jpg"}, "image_url", "only from an address that begins with https://"),
        ({"tiers-0-quantity": "2"}, "quantity", "3 are taken already (sold and held); the quantity cannot be lower."),
        ({"tiers-1-currency": "12$"}, "currency", "Three letters, such as USD or GTQ."),
        ({"tiers-0-payment_link": "data:text/html,x"}, "payment_link", "This must be a whole address"),
        (
            {"tiers-0-sale_starts_at": "2027-02-02T10:00", "tiers-0-sale_ends_at": "2027-02-01T10:00"},
            "sale_ends_at",
            "The sale must end after it starts.",
        ),
    ],
)
def test_what_cannot_be_is_said_at_its_field(office, changes, field, words):
    event = make_event()
    make_tier(event, sold=3)
    make_tier(event, sort_order=1)

    errors = errors_of(saved(office, page_of(event), **{"venue": "New", **changes}))

    assert set(errors) == {field}
    assert words in str(errors[field])
    assert (Event.objects.get().venue, set(TicketTier.objects.values_list("quantity", flat=True))) == (None, {100})
    assert not history().exists()


def test_refusal_of_the_service_is_shown_on_the_form(office, monkeypatch):
    """Somebody buys while the form is on its way: what the form has checked is not true any more under the lock."""
    tier = make_tier(make_event(), quantity=10)
    monkeypatch.setattr("events.models.TicketTier.clean", lambda tier: None)
    fields = fields_of(office.get(page_of(tier.event)), "event_form")
    TicketTier.objects.update(sold=5)

    answer = office.post(page_of(tier.event), {**fields, "venue": "New", "tiers-0-quantity": "4"})

    assert errors_of(answer) == {
        "__all__": ["General: 5 are taken already (sold and held); the quantity cannot be lower."]
    }
    assert (Event.objects.get().venue, TicketTier.objects.get().quantity) == (None, 10)


def test_price_of_a_tier_with_orders_is_locked(office):
    order = make_order()
    make_tier(order.event, name="Free of orders", sort_order=1)
    path = page_of(order.event)

    assert "tiers-0-price" not in fields_of(office.get(path), "event_form")  # disabled
    saved(office, path, **{"tiers-0-price": "1", "tiers-1-price": "7"})

    assert dict(TicketTier.objects.values_list("name", "price")) == {
        "General": Decimal("25.50"),
        "Free of orders": Decimal("7.00"),
    }


# --- Two people at once -----------------------------------------------------------------------------------------


def test_page_that_was_open_for_long_undoes_nothing(office):
    tier = make_tier(make_event(artists=["A", "B"], description="One\nTwo"), sold=60)
    path = page_of(tier.event)
    old = fields_of(office.get(path), "event_form")
    saved(
        office, path, **{"location": "Xela", "event_time": "20:15", "tiers-0-quantity": "70", "tiers-0-is_active": ""}
    )

    answer = office.post(path, {**old, "venue": "El Patio", "tiers-0-max_per_order": "4"})

    assert answer.status_code == 302
    event, tier = Event.objects.get(), TicketTier.objects.get()
    assert (event.location, str(event.event_time), event.venue) == ("Xela", "20:15:00", "El Patio")
    assert (tier.quantity, tier.is_active, tier.max_per_order) == (70, False, 4)


def test_what_two_people_change_is_refused_to_the_second(office):
    tier = make_tier()
    path = page_of(tier.event)
    old = fields_of(office.get(path), "event_form")
    saved(office, path, **{"name": "Luna", "tiers-0-quantity": "70"})

    errors = errors_of(office.post(path, {**old, "name": "Sol", "venue": "New", "tiers-0-quantity": "80"}))

    said = "Somebody else has changed this meanwhile; it is now: {}. Open the page again."
    assert errors == {"name": [said.format("Luna")], "quantity": [said.format("70")]}
    event = Event.objects.get()
    assert (event.name, event.venue, TicketTier.objects.get().quantity) == ("Luna", None, 70)


def test_line_ends_of_a_browser_are_no_change(office):
    event = make_event(description="One\nTwo", artists=["A", "B"])
    path = page_of(event)
    fields = {name: value.replace("\n", "\r\n") for name, value in fields_of(office.get(path), "event_form").items()}

    assert office.post(path, {**fields, "description": "One\r\nThree"}).status_code == 302

    assert [row.new_value for row in history()] == [{"description": "One\r\nThree"}]


def test_tier_that_was_removed_meanwhile_is_named(office):
    tier = make_tier(make_tier().event, name="Gone", sort_order=1)
    path = page_of(tier.event)
    old = fields_of(office.get(path), "event_form")
    saved(office, path, **{"tiers-1-remove": "on"})

    answer = office.post(path, {**old, "venue": "New"})

    assert "One of these tickets was removed meanwhile. Open the page again." in answer.content.decode()
    assert Event.objects.get().venue is None


# --- The picture ------------------------------------------------------------------------------------------------

UPLOADED = "https://res.cloudinary.com/nights/image/upload/v1/x.jpg"


def test_uploaded_picture_is_the_nights_own(office, cloudinary):
    event = make_event()
    public_id = f"home-productions/events/{event.pk}/x"

    answer = saved(office, page_of(event), image_url=UPLOADED, cloudinary_public_id=public_id)

    assert answer.status_code == 302
    event.refresh_from_db()
    assert (event.image_url, event.cloudinary_public_id) == (UPLOADED, public_id)


@pytest.mark.parametrize("public_id", ["home-productions/events/other/x", "home-productions/galleries/temp/x", "x"])
def test_picture_of_something_else_is_refused(office, cloudinary, public_id):
    event = make_event()

    errors = errors_of(saved(office, page_of(event), image_url=UPLOADED, cloudinary_public_id=public_id))

    assert errors == {"image_url": ["This picture was uploaded for something else. Upload it here."]}


def test_typed_address_is_not_ours_to_remove(office, cloudinary):
    event = make_event(image_url=UPLOADED)
    Event.objects.update(cloudinary_public_id=f"home-productions/events/{event.pk}/x")

    saved(office, page_of(event), image_url="https://img.example.com/b.jpg")

    event.refresh_from_db()
    assert (event.image_url, event.cloudinary_public_id) == ("https://img.example.com/b.jpg", None)


def test_permit_is_for_the_folder_of_the_night(office, cloudinary):
    event = make_event()

    answer = office.post(reverse("admin:events_event_permit", args=[event.pk])).json()
    before = office.post(reverse("admin:events_event_permit")).json()

    assert answer["folder"] == f"home-productions/events/{event.pk}"
    assert before["folder"] == "home-productions/uploads"
    assert answer["uploadUrl"] == "https://api.cloudinary.com/v1_1/nights/image/upload"
    assert AuditLog.objects.filter(action="UPLOAD").count() == 2


def test_permit_is_refused_in_words(office):
    answer = office.post(reverse("admin:events_event_permit"))

    assert (answer.status_code, "not set up" in json.loads(answer.content)["error"]) == (400, True)


def test_permit_is_not_given_for_looking(office, cloudinary):
    assert office.get(reverse("admin:events_event_permit")).status_code == 405
    assert not history().exists()


def test_page_says_when_pictures_cannot_be_uploaded(office):
    page = office.get(ADD).content.decode()

    assert "the image host is not set up" in page
    assert "data-permit" not in page


def test_only_pages_that_upload_may_reach_the_image_host(office, cloudinary):
    event = make_event()

    def may(path):
        return (
            "connect-src 'self' https://api.cloudinary.com;"
            in office.get(path).headers["Content-Security-Policy"] + ";"
        )

    assert [may(path) for path in (page_of(event), ADD, LIST, step_of(event, "cancel"))] == [True, True, False, False]


# --- Roles and steps --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "is_allowed"), ROLES.items())
def test_door_staff_look_and_do_not_touch(client, db, cloudinary, role, is_allowed):
    event = make_tier(make_event(status="draft")).event
    client.force_login(make_user(role))

    assert [client.get(path).status_code for path in (LIST, page_of(event))] == [200, 200]
    gets = [client.get(path).status_code for path in (ADD, *(step_of(event, name) for name in ("cancel", "publish")))]
    posts = [
        client.post(reverse("admin:events_event_permit", args=[event.pk])).status_code,
        client.post(reverse("admin:events_event_permit")).status_code,
        client.post(page_of(event), {}).status_code,
        client.post(step_of(event, "publish")).status_code,
    ]
    assert (gets, posts) == (([200] * 3, [200, 200, 200, 302]) if is_allowed else ([403] * 3, [403] * 4))
    assert Event.objects.get().status == ("active" if is_allowed else "draft")


def test_form_cannot_change_the_status(office):
    event = make_event(status="draft")

    saved(office, page_of(event), status="active", slug="mine", sold="5")

    assert Event.objects.get().status == "draft"


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        ("draft", ["Publish", "Cancel the night", "Duplicate", "Delete"]),
        ("active", ["Cancel the night", "Duplicate", "Back to draft"]),
        ("cancelled", ["Settle its orders", "Duplicate", "Bring it back"]),
        ("completed", ["Duplicate"]),
        ("deleted", ["Settle its orders", "Duplicate", "Restore"]),
    ],
)
def test_only_steps_that_fit_are_offered(office, status, offered):
    event = make_event(status=status)

    labels = [step["label"] for step in office.get(page_of(event)).context["steps"]]
    assert labels == ["Orders", "Door list", *offered]


def test_publishing_tells_what_guests_are_offered(office):
    event = make_event(status="draft")
    assert "No ticket is on sale" in office.get(step_of(event, "publish")).content.decode()

    make_tier(event, sold=1, sale_starts_at=timezone.now() + timedelta(days=9000))
    page = office.get(step_of(event, "publish")).content.decode()
    assert "General: 99 tickets at 25.50 USD, on sale from " in page
    assert Event.objects.get().status == "draft"

    assert office.post(step_of(event, "publish")).status_code == 302
    assert Event.objects.get().status == "active"


def test_refused_step_is_explained(office):
    event = make_event(status="draft", event_date=timezone.localdate() - timedelta(days=3))

    answer = office.post(step_of(event, "publish"))

    assert (answer.status_code, "This night is over." in answer.content.decode()) == (422, True)


def test_duplicate_leads_to_the_copy(office):
    event = make_tier().event

    answer = office.post(step_of(event, "duplicate"), {"name": "Again", "night": "2027-05-01"})

    copy = Event.objects.get(name="Again")
    assert answer.headers["Location"] == page_of(copy)
    assert (copy.status, copy.tiers.count(), Order.objects.count()) == ("draft", 1, 0)


def test_deleted_draft_leaves_the_list_and_comes_back(office):
    event = make_event(status="draft")

    assert office.post(step_of(event, "delete")).headers["Location"] == LIST
    assert office.get(LIST).context["cl"].result_count == 0
    office.post(step_of(event, "restore"))
    assert office.get(LIST).context["cl"].result_count == 1
