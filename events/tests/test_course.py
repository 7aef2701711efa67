"""The course of a night: drafted, published, over or off, and copied for another date."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from audit.models import AuditLog
from events.models import Event, TicketTier
from events.services import course, planning
from homeproductions.errors import Refused
from tests.factories import make_event, make_order, make_tier, make_user

STATUSES = Event.Status.values
# Step: (statuses that it is for, what becomes of them).
STEPS = {
    course.publish: (["draft"], "active"),
    course.withdraw: (["active"], "draft"),
    course.complete: (["active"], "completed"),
    course.bring_back: (["cancelled"], "active"),
    course.restore: (["deleted"], "draft"),
}


NIGHT = {"name": "Luna", "location": "Antigua", "event_date": date(2027, 2, 14)}


@pytest.fixture
def office(db):
    return make_user("admin")


def night(status, *, days=0):
    """One that began this morning, or so many days from now."""
    return make_event(status=status, event_date=timezone.localdate() + timedelta(days=days), event_time="00:00")


def refusal(function, *args, **kwargs):
    with pytest.raises(Refused) as refused:
        function(*args, **kwargs)
    return refused.value.code, str(refused.value)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
@pytest.mark.parametrize("status", STATUSES)
def test_step_is_for_some_statuses_only(office, monkeypatch, step, status):
    # Not over yet at any time of day, whatever the clock says.
    monkeypatch.setattr("events.models.LONGEST_NIGHT", timedelta(days=2))
    allowed, after = STEPS[step]
    event = night(status)

    if status in allowed:
        assert step(event.pk, actor=office).status == after
        row = AuditLog.objects.get(action="STATUS_CHANGE", user=office)
        assert (row.entity_id, row.old_value, row.new_value) == (event.pk, {"status": status}, {"status": after})
    else:
        assert refusal(step, event.pk, actor=office) == ("WRONG_EVENT_STATUS", f"This night is {status}.")
        assert not AuditLog.objects.exists()
    assert Event.objects.get().status == (after if status in allowed else status)


@pytest.mark.parametrize("step", [course.publish, course.bring_back])
def test_night_that_is_over_is_not_published(office, step):
    event = night("draft" if step is course.publish else "cancelled", days=-3)

    assert refusal(step, event.pk, actor=office) == (
        "VALIDATION_ERROR",
        "This night is over. Give it another date first.",
    )


def test_night_is_not_completed_before_it_begins(office):
    event = night("active", days=1)

    assert refusal(course.complete, event.pk, actor=office)[1] == "This night has not begun yet."
    assert Event.objects.get().status == "active"


def test_same_night_saved_twice_at_once_gets_another_word(office, monkeypatch):
    """The second one looked for a free word before the first one was there."""
    first = planning.create_event(NIGHT, [], actor=office)
    monkeypatch.setattr(planning, "free_slug", lambda name, night: first.slug)

    second = planning.create_event(NIGHT, [], actor=office)

    assert (first.slug, second.slug.startswith("luna-2027-02-14-")) == ("luna-2027-02-14", True)


def test_night_with_seats_taken_is_no_draft_again(office):
    order = make_order()

    assert refusal(course.withdraw, order.event_id, actor=office)[1].startswith("There are orders")
    assert Event.objects.get().status == "active"


def test_night_is_called_off_once(office):
    event = night("active")

    assert [course.call_off(event.pk, actor=office) for _ in range(2)] == [True, False]
    assert Event.objects.get().status == "cancelled"
    assert AuditLog.objects.count() == 1


def test_night_that_took_place_is_not_called_off(office):
    event = night("completed")

    assert refusal(course.call_off, event.pk, actor=office)[0] == "WRONG_EVENT_STATUS"


# --- A copy -----------------------------------------------------------------------------------------------------


def test_copy_is_a_draft_with_the_same_tiers_and_nothing_sold(office):
    event = make_event(
        name="Luna",
        event_date=date(2027, 2, 14),
        venue="El Patio",
        artists=["A", "B"],
        is_featured=True,
        image_url="https://img.example.com/a.jpg",
        cloudinary_public_id="home-productions/events/x/a",
    )
    make_tier(event, name="Second", sort_order=1, price=Decimal("10"), is_active=False)
    make_tier(event, name="First", sort_order=0, quantity=7, sold=3, currency="GTQ", max_per_order=2, night_version=4)

    copy = course.duplicate(event.pk, name="Luna II", night=date(2027, 3, 14), actor=office)

    copy.refresh_from_db()
    assert (copy.name, copy.event_date, copy.status, copy.venue) == ("Luna II", date(2027, 3, 14), "draft", "El Patio")
    assert (copy.artists, copy.is_featured, copy.slug, copy.created_by) == (
        ["A", "B"],
        False,
        "luna-ii-2027-03-14",
        office,
    )
    # The picture stays that of the first night: removing it from the copy must not take it from there.
    assert (copy.image_url, copy.cloudinary_public_id) == ("https://img.example.com/a.jpg", None)
    fields = ("name", "quantity", "sold", "price", "currency", "max_per_order", "is_active", "night_version")
    assert list(copy.tiers.order_by("sort_order").values_list(*fields)) == [
        ("First", 7, 0, Decimal("25.50"), "GTQ", 2, True, 0),
        ("Second", 100, 0, Decimal("10.00"), "USD", 10, False, 0),
    ]
    assert TicketTier.objects.count() == 4


def test_sale_window_of_a_copy_keeps_the_time_on_the_wall(office, settings):
    settings.TIME_ZONE = "Europe/Berlin"  # it has summer time, which begins between the two nights
    berlin = ZoneInfo("Europe/Berlin")
    event = make_event(event_date=date(2027, 3, 20))
    make_tier(event, sale_starts_at=datetime(2027, 3, 1, 10, tzinfo=berlin))

    copy = course.duplicate(event.pk, name="B", night=date(2027, 4, 20), actor=office)

    [tier] = copy.tiers.all()
    assert (tier.sale_starts_at, tier.sale_ends_at) == (datetime(2027, 4, 1, 10, tzinfo=berlin), None)


# --- Saving what a form shows -----------------------------------------------------------------------------------


def test_tier_that_somebody_else_added_stays(office):
    event = make_event()
    shown, other, gone = (make_tier(event, name=name) for name in ("Shown", "Other", "Gone"))

    planning.update_event(event.pk, {}, [{"id": shown.pk, "quantity": 5}], actor=office, removed={gone.pk})

    assert set(event.tiers.values_list("name", "quantity")) == {("Shown", 5), ("Other", 100)}
    assert other.pk in event.tiers.values_list("pk", flat=True)


@pytest.mark.parametrize("change", [{"price": Decimal("30")}, {"currency": "GTQ"}])
def test_price_of_a_tier_with_orders_is_locked(office, change):
    order = make_order(status="cancelled")
    tier = {"id": order.tier_id, **change}

    code, words = refusal(
        planning.update_event, order.event_id, {"name": "New"}, [tier], actor=office, removed=(), keep_prices=True
    )

    assert (code, words) == (
        "VALIDATION_ERROR",
        "General: there are orders at 25.50 USD. Add a tier for another price.",
    )
    assert TicketTier.objects.get().price == Decimal("25.50")
    assert Event.objects.get().name != "New"


def test_same_price_is_no_change_of_it(office):
    order = make_order()
    tier = {"id": order.tier_id, "price": Decimal("25.50"), "quantity": 120}

    planning.update_event(order.event_id, {}, [tier], actor=office, removed=(), keep_prices=True)

    assert TicketTier.objects.get().quantity == 120


# --- Pictures ---------------------------------------------------------------------------------------------------

OLD = {"image_url": "https://img.example.com/old.jpg", "cloudinary_public_id": "home-productions/events/x/old"}
NEW = {"image_url": "https://img.example.com/new.jpg", "cloudinary_public_id": "home-productions/uploads/new"}


def test_picture_before_goes_from_the_host_after_the_commit(office, image_host, django_capture_on_commit_callbacks):
    event = make_event(**OLD)

    with django_capture_on_commit_callbacks() as callbacks:
        planning.update_event(event.pk, NEW, None, actor=office)
    assert image_host.removed == []
    for callback in callbacks:
        callback()

    event.refresh_from_db()
    assert (event.image_url, event.cloudinary_public_id) == tuple(NEW.values())
    assert image_host.removed == [["home-productions/events/x/old"]]


@pytest.mark.parametrize("change", [{"name": "Other"}, {"image_url": OLD["image_url"]}])
def test_picture_that_stays_is_not_removed(office, image_host, django_capture_on_commit_callbacks, change):
    event = make_event(**OLD)

    with django_capture_on_commit_callbacks(execute=True):
        planning.update_event(event.pk, change, None, actor=office)

    assert (Event.objects.get().cloudinary_public_id, image_host.removed) == (OLD["cloudinary_public_id"], [])


def test_picture_that_a_copy_shows_stays_at_the_host(office, image_host, django_capture_on_commit_callbacks):
    event = make_event(**OLD)
    course.duplicate(event.pk, name="B", night=date(2027, 3, 14), actor=office)

    with django_capture_on_commit_callbacks(execute=True):
        planning.update_event(event.pk, NEW, None, actor=office)

    assert image_host.removed == []
