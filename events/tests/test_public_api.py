import gzip
import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import uuid4

import brotli
import pytest
from django.utils import timezone

from events.models import Event, TicketTier
from tests.factories import make_event, make_tier

TIER_KEYS = {
    "id",
    "name",
    "description",
    "price",
    "currency",
    "quantity",
    "sold",
    "available",
    "maxPerOrder",
    "paymentLink",
    "isActive",
    "saleStartsAt",
    "saleEndsAt",
}
EVENT_KEYS = {
    "id",
    "slug",
    "name",
    "location",
    "venue",
    "date",
    "time",
    "description",
    "type",
    "mainArtist",
    "artists",
    "image",
    "minAge",
    "status",
    "isFeatured",
    "tiers",
}


def test_tier_says_when_it_is_on_sale(api):
    starts, ends = datetime(2026, 3, 1, 18, tzinfo=UTC), datetime(2026, 3, 2, 5, 59, 59, 999_000, tzinfo=UTC)
    make_tier(name="Early", sale_starts_at=starts, sale_ends_at=ends, event=(event := make_event()))
    make_tier(name="Later", sort_order=1, event=event)

    [early, later] = api.get(f"/api/events/{event.pk}").json()["event"]["tiers"]

    assert (early["saleStartsAt"], early["saleEndsAt"]) == ("2026-03-01T18:00:00.000Z", "2026-03-02T05:59:59.999Z")
    assert (later["saleStartsAt"], later["saleEndsAt"]) == (None, None)


def test_list_shows_active_nights_with_active_tiers(api):
    late = make_event(event_date=timezone.localdate() + timedelta(days=9))
    soon = make_event(event_date=timezone.localdate() + timedelta(days=3))
    make_event(status=Event.Status.DRAFT)
    make_tier(soon, name="Door", sort_order=2)
    make_tier(soon, name="Early", sort_order=1)
    make_tier(soon, name="Hidden", is_active=False)

    answer = api.get("/api/events").json()

    assert set(answer) == {"success", "events", "count"}
    assert (answer["success"], answer["count"]) == (True, 2)
    assert [event["id"] for event in answer["events"]] == [str(soon.pk), str(late.pk)]
    assert [tier["name"] for tier in answer["events"][0]["tiers"]] == ["Early", "Door"]


def test_event_has_the_contracts_keys_and_formats(api):
    event = make_event(event_date=date(2027, 2, 14), event_time=time(22, 30), artists=None, min_age=0)
    make_tier(event, price=Decimal("25.50"), quantity=10, sold=4)

    shown = api.get(f"/api/events/{event.pk}").json()["event"]

    assert set(shown) == EVENT_KEYS
    assert set(shown["tiers"][0]) == TIER_KEYS
    assert (shown["date"], shown["time"]) == ("2027-02-14T00:00:00.000Z", "22:30:00")
    assert (shown["artists"], shown["image"], shown["minAge"]) == ([], None, 0)
    assert (shown["tiers"][0]["price"], shown["tiers"][0]["available"]) == (25.5, 6)


@pytest.mark.parametrize("status", ["active", "completed", "cancelled"])
def test_event_is_found_by_id_and_by_slug(api, status):
    event = make_event(status=status, slug="luna-llena")

    for reference in (str(event.pk), "luna-llena", "luna-llena/"):
        response = api.get(f"/api/events/{reference}")
        assert (response.status_code, response.json()["event"]["id"]) == (200, str(event.pk))


@pytest.mark.parametrize(
    "reference", ["abc", "0", "-1", str(2**63), "4b825dc6-42cb-4eb9-9a06-0e54bf8d69e1", "%F0%28%8C%28", "a" * 5000]
)
def test_unknown_event_is_not_found(api, reference):
    response = api.get(f"/api/events/{reference}")

    assert (response.status_code, response.json()["code"]) == (404, "EVENT_NOT_FOUND")


@pytest.mark.parametrize("status", ["draft", "deleted"])
def test_drafts_and_deleted_events_are_not_found(api, status):
    event = make_event(status=status)

    assert api.get(f"/api/events/{event.pk}").json()["code"] == "EVENT_NOT_FOUND"


@pytest.mark.parametrize("count", [1, 3])
def test_list_needs_one_query(api, django_assert_num_queries, count):
    for _ in range(count):
        make_tier()

    with django_assert_num_queries(1):
        assert api.get("/api/events").json()["count"] == count


# --- Kept for a second ------------------------------------------------------------------------------------------


def test_answer_is_made_once_a_second(api, settings, django_assert_num_queries):
    settings.MEMORY_SECONDS = 60
    tier = make_tier(make_event(slug=f"once-{uuid4()}"))
    paths = ["/api/events", f"/api/events/{tier.event_id}", f"/api/events/{tier.event.slug}"]
    first = {path: api.get(path).json() for path in paths}

    with django_assert_num_queries(0):
        assert {path: api.get(path).json() for path in paths} == first


def test_night_that_is_not_there_is_not_remembered(api, settings):
    settings.MEMORY_SECONDS = 60
    slug = f"late-{uuid4()}"
    assert api.get(f"/api/events/{slug}").status_code == 404

    make_tier(make_event(slug=slug))

    assert api.get(f"/api/events/{slug}").status_code == 200


@pytest.mark.parametrize(("accepted", "encoding"), [("gzip, deflate", "gzip"), ("gzip, br", "br"), ("identity", None)])
def test_answer_comes_in_the_encoding_that_the_caller_reads(api, accepted, encoding):
    make_tier()
    decode = {"gzip": gzip.decompress, "br": brotli.decompress, None: bytes}[encoding]

    answer = api.get("/api/events", headers={"Accept-Encoding": accepted})

    assert answer.get("Content-Encoding") == encoding
    assert json.loads(decode(answer.content))["count"] == 1
    assert "Accept-Encoding" in answer["Vary"]


def test_caller_who_has_the_answer_is_not_sent_it_again(api):
    tier = make_tier()
    known = api.get("/api/events")["ETag"]

    again = api.get("/api/events", headers={"If-None-Match": known})
    TicketTier.objects.filter(pk=tier.pk).update(sold=1)
    changed = api.get("/api/events", headers={"If-None-Match": known})

    assert (again.status_code, again.content, changed.status_code) == (304, b"", 200)
    assert again["Cache-Control"] == changed["Cache-Control"] == "public, max-age=1"
