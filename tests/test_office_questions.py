"""What stands in an address or a form is anybody's text: no list, page or figure fails of it."""

from datetime import date

import pytest
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from events.models import Event, TicketTier
from tests.factories import bearer, make_event, make_order, make_tier, make_user
from tests.office_forms import fields_of

FAR = ("0001-01-01", "9999-12-31")
ODD = ("q=9999-12-31", "q=%00", "event=x", "p=99999", "o=99", "all=")


@pytest.fixture
def office(client, db):
    client.force_login(make_user("superadmin"))
    return client


def lists():
    return [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in admin.site._registry
    ]


@pytest.mark.parametrize("path", lists())
def test_lists_survive_odd_questions(office, path):
    make_order(status="paid")
    days = [f"{name}={day}" for day in FAR for name in ("from", "to", "created_at__gte", "created_at__lt")]
    columns = ["event_date__year=99999", "created_at__year=99999", "buyer_email__startswith=a"]

    answers = {query: office.get(f"{path}?{query}").status_code for query in (*ODD, *days, *columns)}

    assert {query: status for query, status in answers.items() if status not in (200, 302, 400)} == {}


def test_there_is_no_way_from_a_row_to_a_page_outside(office):
    assert office.get("/admin/r/1/x/").status_code == 404


@pytest.mark.parametrize("day", FAR)
@pytest.mark.parametrize("name", ["event_date", "tiers-0-sale_starts_at", "tiers-0-sale_ends_at"])
def test_night_far_outside_of_our_time_is_refused(office, name, day):
    event = make_tier().event
    path = reverse("admin:events_event_change", args=[event.pk])
    value = day if name == "event_date" else f"{day}T23:59"

    answer = office.post(path, {**fields_of(office.get(path), "event_form"), name: value})

    assert "The date must be between 2000 and 2100." in answer.content.decode()
    assert (Event.objects.get().event_date, TicketTier.objects.get().sale_ends_at) == (event.event_date, None)
    assert office.get("/admin/").status_code == 200


@pytest.mark.parametrize("day", FAR)
def test_copy_far_outside_of_our_time_is_refused(office, day):
    event = make_tier(sale_starts_at=timezone.now()).event
    path = reverse("admin:events_event_step", args=[event.pk, "duplicate"])

    assert "must be between 2000 and 2100" in office.post(path, {"name": "Again", "night": day}).content.decode()

    assert Event.objects.count() == 1


def test_sale_window_of_a_copy_is_checked_where_it_lands(office):
    event = make_tier(make_event(event_date=date(2090, 1, 1)), sale_starts_at=timezone.now()).event
    path = reverse("admin:events_event_step", args=[event.pk, "duplicate"])

    assert office.post(path, {"name": "Again", "night": "2001-01-01"}).status_code == 422

    assert Event.objects.count() == 1


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:00-06:00"])
def test_api_refuses_a_sale_far_outside_of_our_time(client, db, moment):
    tier = make_tier()
    body = {"tiers": [{"id": str(tier.pk), "saleEndsAt": moment}]}

    answer = client.put(
        f"/api/admin/events/{tier.event_id}", body, "application/json", headers=bearer(make_user("admin"))
    )

    assert (answer.status_code, TicketTier.objects.get().sale_ends_at) == (400, None)
