import uuid
from datetime import date, time
from decimal import Decimal

import pytest

from audit.models import AuditLog
from events.models import Event, TicketTier
from tests.factories import bearer, make_event, make_order, make_tier, make_user

PATH = "/api/admin/events"
EVENT_TYPES = {
    "id": str,
    "slug": str,
    "name": str,
    "location": str,
    "venue": str,
    "date": str,
    "event_date": str,
    "time": str,
    "event_time": str,
    "description": str,
    "type": str,
    "event_type": str,
    "mainArtist": str,
    "main_artist": str,
    "artists": list,
    "image": str,
    "image_url": str,
    "minAge": int,
    "min_age": int,
    "status": str,
    "isFeatured": bool,
    "tiers": list,
    "createdAt": str,
}
TIER_TYPES = {
    "id": str,
    "name": str,
    "description": str,
    "price": float,
    "currency": str,
    "quantity": int,
    "sold": int,
    "available": int,
    "max_per_order": int,
    "payment_link": str,
    "paymentLink": str,
    "is_active": bool,
    "sort_order": int,
    "sale_starts_at": str,
    "sale_ends_at": str,
}

# What the admin front end's form sends on save (contract 4.3), to the letter.
FORM = {
    "name": "Luna Llena",
    "location": "Antigua",
    "venue": "El Patio",
    "event_date": "2027-02-14",
    "event_time": "22:30",
    "description": "Under the volcano",
    "event_type": "festival",
    "main_artist": "DJ Quetzal",
    "image_url": "https://img.example.com/a.jpg",
    "min_age": 21,
    "status": "active",
    "date": "2027-02-14",
    "tiers": [
        {
            "name": "General",
            "description": "",
            "price": 25.5,
            "currency": "GTQ",
            "quantity": 0,
            "sold": 99,
            "max_per_order": 4,
            "is_active": False,
            "paymentLink": "",
        }
    ],
}


@pytest.fixture
def office(api):
    user = make_user("admin")

    def call(method, path=PATH, body=None):
        return getattr(api, method)(path, body, headers=bearer(user))

    call.user = user
    return call


def types_of(shown):
    return {key: type(value) for key, value in shown.items()}


def full_event():
    event = make_event(
        slug="luna",
        venue="El Patio",
        event_date=date(2027, 2, 14),
        description="x",
        main_artist="DJ",
        artists=["A"],
        image_url="https://img.example.com/a.jpg",
    )
    moment = "2027-01-01T12:00:00Z"
    make_tier(
        event, description="x", payment_link="https://pay.example.com", sale_starts_at=moment, sale_ends_at=moment
    )
    return event


def test_list_has_every_key_that_the_form_would_overwrite(office):
    full_event()

    answer = office("get").json()

    assert set(answer) == {"success", "events", "count"}
    assert types_of(answer["events"][0]) == EVENT_TYPES
    assert types_of(answer["events"][0]["tiers"][0]) == TIER_TYPES
    assert answer["events"][0]["event_date"] == "2027-02-14T00:00:00"
    assert answer["events"][0]["date"] == "2027-02-14T00:00:00.000Z"


@pytest.mark.parametrize("rows", [1, 30])
def test_list_needs_three_queries(api, office, django_assert_num_queries, rows):
    for _ in range(rows):
        make_tier()

    with django_assert_num_queries(3):
        assert office("get").json()["count"] == rows


def test_list_is_latest_first_and_hides_deleted_ones(office):
    for day, status in ((1, "active"), (2, "draft"), (3, "deleted")):
        make_event(name=f"Day {day}", event_date=date(2027, 1, day), status=status)

    def names(query):
        return [event["name"] for event in office("get", f"{PATH}?{query}").json()["events"]]

    assert names("") == names("status=all") == names("includeDeleted=false") == ["Day 2", "Day 1"]
    assert names("includeDeleted=true") == ["Day 3", "Day 2", "Day 1"]
    assert (names("status=draft"), names("status=deleted"), names("status=odd")) == (["Day 2"], ["Day 3"], [])


@pytest.mark.parametrize("search", ["luna", "PATIO", "antig"])
def test_search_looks_at_name_venue_and_location(office, search):
    make_event(name="Luna Llena", venue="El Patio", location="Antigua")
    make_event()

    assert office("get", f"{PATH}?search={search}").json()["count"] == 1


def test_single_event_has_its_tiers_inside(office):
    event = full_event()

    answer = office("get", f"{PATH}/{event.pk}").json()

    assert set(answer) == {"success", "event"}
    assert types_of(answer["event"]) == EVENT_TYPES
    assert types_of(answer["event"]["tiers"][0]) == TIER_TYPES


def test_form_creates_an_event_with_all_it_sent(office):
    response = office("post", body=FORM)

    event = Event.objects.get()
    assert (response.status_code, set(response.json())) == (201, {"success", "event", "message"})
    assert response.json()["event"] == {"id": str(event.pk), "name": "Luna Llena"}
    assert (event.event_date, event.event_time, event.event_type) == (date(2027, 2, 14), time(22, 30), "festival")
    assert (event.main_artist, event.image_url, event.min_age) == ("DJ Quetzal", FORM["image_url"], 21)
    assert (event.slug, event.created_by) == ("luna-llena-2027-02-14", office.user)
    tier = TicketTier.objects.get()
    assert (tier.price, tier.currency, tier.quantity, tier.sold) == (Decimal("25.50"), "GTQ", 0, 0)
    assert (tier.max_per_order, tier.is_active, tier.payment_link) == (4, False, None)


def test_camel_case_creates_the_same(office):
    body = {
        "name": "Luna",
        "location": "Antigua",
        "date": "2027-02-14T06:00:00.000Z",
        "time": "22:30:00",
        "type": "concert",
        "mainArtist": "DJ",
        "image": "https://img.example.com/a.jpg",
        "minAge": 0,
        "isFeatured": True,
        "artists": ["A", "B"],
    }

    assert office("post", body=body).status_code == 201
    event = Event.objects.get()
    assert (event.event_date, event.event_time, event.event_type) == (date(2027, 2, 14), time(22, 30), "concert")
    assert (event.main_artist, event.min_age, event.is_featured, event.artists) == ("DJ", 0, True, ["A", "B"])


def test_create_has_the_contracts_defaults(office):
    body = {"name": "A", "location": "B", "date": "2027-02-14", "venue": "", "tiers": [{"name": "T", "price": 0}]}

    office("post", body=body)

    event, tier = Event.objects.get(), TicketTier.objects.get()
    assert (event.event_time, event.event_type, event.min_age) == (time(21), "party", 18)
    assert (event.status, event.venue, event.is_featured) == ("draft", None, False)
    assert (tier.quantity, tier.currency, tier.max_per_order, tier.is_active) == (100, "USD", 10, True)


def test_two_nights_of_one_name_and_date_get_different_slugs(office):
    for _ in range(2):
        assert office("post", body=FORM).status_code == 201

    assert Event.objects.values("slug").distinct().count() == 2


def test_update_keeps_what_is_absent_and_clears_what_is_empty(office):
    event = full_event()

    response = office("put", f"{PATH}/{event.pk}", {"venue": "", "mainArtist": None, "time": "", "minAge": None})

    assert (response.status_code, set(response.json())) == (200, {"success", "message"})
    event.refresh_from_db()
    assert (event.venue, event.main_artist, event.min_age) == (None, None, 18)
    assert (event.image_url, event.artists, event.event_time) == ("https://img.example.com/a.jpg", ["A"], time(21))
    assert event.tiers.count() == 1


def test_update_of_tiers_changes_adds_and_removes(office):
    event = make_event()
    kept, sold, empty = (make_tier(event, name=name) for name in ("Kept", "Sold", "Empty"))
    make_order(sold, "cancelled")
    tiers = [{"name": "New", "price": 5}, {"id": str(kept.pk), "price": 30, "is_active": True}]

    assert office("put", f"{PATH}/{event.pk}", {"tiers": tiers}).status_code == 200

    assert set(event.tiers.values_list("name", "is_active", "price", "quantity", "sort_order")) == {
        ("New", True, Decimal(5), 100, 0),
        ("Kept", True, Decimal(30), 100, 1),
        ("Sold", False, Decimal("25.50"), 100, 0),
    }
    assert not TicketTier.objects.filter(pk=empty.pk).exists()


def test_tier_of_another_event_is_not_touched(office):
    event, other = make_event(), make_tier(name="Other")

    office("put", f"{PATH}/{event.pk}", {"tiers": [{"id": str(other.pk), "name": "Mine", "price": 1}]})

    other.refresh_from_db()
    assert (other.name, event.tiers.get().name) == ("Other", "Mine")


def test_quantity_below_sold_is_refused_and_changes_nothing(office):
    tier = make_tier(sold=5)
    body = {"name": "Renamed", "tiers": [{"id": str(tier.pk), "quantity": 4}]}

    response = office("put", f"{PATH}/{tier.event_id}", body)

    assert (response.status_code, response.json()["code"]) == (400, "VALIDATION_ERROR")
    assert Event.objects.get().name != "Renamed"
    assert office("put", f"{PATH}/{tier.event_id}", {"tiers": [{"id": str(tier.pk), "quantity": 5}]}).status_code == 200


def test_delete_hides_and_a_save_brings_back(office):
    event = make_event()

    responses = [office("delete", f"{PATH}/{event.pk}") for _ in range(2)]

    assert [(each.status_code, set(each.json())) for each in responses] == [(200, {"success", "message"})] * 2
    assert AuditLog.objects.filter(action="DELETE").count() == 1
    assert office("put", f"{PATH}/{event.pk}", {"status": "active"}).status_code == 200
    event.refresh_from_db()
    assert event.status == "active"


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": None},
        {"location": "  "},
        {"date": "", "event_date": ""},
        {"date": "2027-02-30"},
        {"date": 5},
        {"date": "9999-12-31"},
        {"date": "0001-01-01"},
        {"name": "x" * 256},
        {"name": "a\x00b"},
        {"event_time": "25:00"},
        {"min_age": -1},
        {"min_age": "18"},
        {"min_age": 2**31},
        {"isFeatured": "yes"},
        {"artists": "DJ"},
        {"artists": [1]},
        {"image_url": "javascript:alert(1)"},
        {"tiers": "x"},
        {"tiers": ["x"]},
        {"tiers": [None]},
        {"tiers": [{"name": "T"}]},
        {"tiers": [{"price": 5}]},
        {"tiers": [{"name": "T", "price": -1}]},
        {"tiers": [{"name": "T", "price": "5"}]},
        {"tiers": [{"name": "T", "price": 1.005}]},
        {"tiers": [{"name": "T", "price": 10**9}]},
        {"tiers": [{"name": "T", "price": 1, "quantity": -1}]},
        {"tiers": [{"name": "T", "price": 1, "max_per_order": 0}]},
        {"tiers": [{"name": "T", "price": 1, "currency": "dollars"}]},
        {"tiers": [{"name": "T", "price": 1, "currency": "12$"}]},
        {"tiers": [{"name": "T", "price": 1, "paymentLink": "data:text/html,x"}]},
        {"tiers": [{"name": "T", "price": 1, "sale_starts_at": "soon"}]},
        {
            "tiers": [
                {"name": "T", "price": 1, "sale_starts_at": "2027-02-01T00:00Z", "sale_ends_at": "2027-01-01T00:00Z"}
            ]
        },
    ],
    ids=str,
)
def test_bad_event_is_refused(office, change):
    response = office("post", body={**FORM, **change})

    assert (response.status_code, response.json()["code"]) == (400, "VALIDATION_ERROR")
    assert (Event.objects.count(), AuditLog.objects.count()) == (0, 0)


@pytest.mark.parametrize("change", [{"event_type": "rave"}, {"status": "on"}])
def test_unknown_word_breaks_a_constraint(office, change):
    response = office("post", body={**FORM, **change})

    assert (response.status_code, response.json()["code"], Event.objects.count()) == (400, "CONSTRAINT_ERROR", 0)


@pytest.mark.parametrize("method", ["get", "put", "delete"])
@pytest.mark.parametrize("reference", ["abc", "0", "-1", str(2**63), str(uuid.UUID(int=1))])
def test_unknown_event_is_not_found(office, method, reference):
    response = office(method, f"{PATH}/{reference}", {} if method == "put" else None)

    assert (response.status_code, response.json()["code"]) == (404, "EVENT_NOT_FOUND")


def test_writes_are_audited_once_and_no_ops_not_at_all(office):
    event_id = office("post", body=FORM).json()["event"]["id"]
    for _ in range(2):
        office("put", f"{PATH}/{event_id}", {"name": "Sol"})

    created, updated = AuditLog.objects.order_by("created_at")
    assert (created.action, created.entity_type, created.user) == ("CREATE", "event", office.user)
    assert created.new_value == {"name": "Luna Llena", "location": "Antigua", "date": "2027-02-14"}
    assert (updated.action, updated.old_value, updated.new_value) == ("UPDATE", {"name": "Luna Llena"}, {"name": "Sol"})


def test_changes_of_tiers_are_audited_one_by_one(office):
    event = make_event()
    changed, removed = make_tier(event, name="A"), make_tier(event, name="B")
    tiers = [{"id": str(changed.pk), "price": 30}, {"name": "C", "price": 5}]

    office("put", f"{PATH}/{event.pk}", {"tiers": tiers})

    rows = AuditLog.objects.filter(entity_type="tickettier")
    assert set(rows.values_list("action", "entity_id")) == {
        ("UPDATE", changed.pk),
        ("CREATE", event.tiers.get(name="C").pk),
        ("DELETE", removed.pk),
    }
    assert rows.get(action="UPDATE").new_value == {"price": "30.00"}


def test_one_tier_twice_in_a_save_is_refused(office):
    tier = make_tier()
    tiers = [{"id": str(tier.pk), "price": 1}, {"id": str(tier.pk), "price": 2}]

    assert office("put", f"{PATH}/{tier.event_id}", {"tiers": tiers}).json()["code"] == "VALIDATION_ERROR"
    assert TicketTier.objects.count() == 1


def test_new_picture_forgets_the_old_ones_id(office):
    event = make_event(image_url="https://img.example.com/a.jpg", cloudinary_public_id="home-productions/events/x")

    office("put", f"{PATH}/{event.pk}", {"image": "https://img.example.com/b.jpg"})

    event.refresh_from_db()
    assert event.cloudinary_public_id is None


def test_staff_may_look_and_not_change(api):
    event, headers = make_event(), bearer(make_user("staff"))

    assert api.get(PATH, headers=headers).status_code == 200
    assert api.get(f"{PATH}/{event.pk}", headers=headers).status_code == 200
    for response in (
        api.post(PATH, FORM, headers=headers),
        api.put(f"{PATH}/{event.pk}", {}, headers=headers),
        api.delete(f"{PATH}/{event.pk}", headers=headers),
    ):
        assert (response.status_code, response.json()["code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize("path", [PATH, f"{PATH}/{uuid.UUID(int=1)}"])
def test_admin_events_need_a_token(api, path):
    assert (api.get(path).status_code, api.get(path).json()["code"]) == (401, "NO_TOKEN")
