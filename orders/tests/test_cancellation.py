"""A night is called off: it is off at once, and its orders are worked off one by one, however often that stops."""

from datetime import timedelta
from decimal import Decimal
from threading import Thread

import pytest
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditLog
from events.errors import EventNotActive, WrongEventStatus
from events.models import Event, TicketTier
from events.services import course
from homeproductions.chores import CHORES
from homeproductions.mail.errors import NotWanted
from homeproductions.mail.models import OutboxEmail
from homeproductions.mail.registry import render
from orders import links
from orders.bookkeeping import differences
from orders.models import Cancellation, CheckIn, Order, Payment
from orders.services import cancellation, checkout, review, status
from tests import provider_bodies as bodies
from tests.factories import make_event, make_order, make_tier, make_user
from tests.provider_bodies import receive

LONG = timedelta(minutes=1)
REFUND, REFUND_ALL, KEEP = Cancellation.PaidOrders.values


@pytest.fixture
def office(db):
    return make_user("admin")


@pytest.fixture
def night(db):
    """Two unpaid orders, two paid ones, one paid by somebody who is inside, and one from each end of the graph."""
    tier = make_tier(make_event(name="Luna"), quantity=100)
    for state in ("pending", "pending", "paid", "paid", "cancelled", "refunded"):
        make_order(tier, state, quantity=2)
    CheckIn.objects.create(order=make_order(tier, "paid", quantity=2, buyer_name="Inside"), admitted=2)
    return tier.event


def call_off(event, choice, actor):
    cancellation.start(event.pk, paid_orders=choice, actor=actor)
    return cancellation.work_off(event.pk, within=LONG)


def states(event):
    counted = {}
    for state in Order.objects.filter(event=event).order_by("status").values_list("status", flat=True):
        counted[state] = counted.get(state, 0) + 1
    return counted


def mails():
    counted = {}
    for kind in OutboxEmail.objects.order_by("email_type").values_list("email_type", flat=True):
        counted[kind] = counted.get(kind, 0) + 1
    return counted


# --- What becomes of the orders -----------------------------------------------------------------------------------


def test_night_is_off_at_once_and_its_orders_later(office, night):
    cancellation.start(night.pk, paid_orders=REFUND, actor=office)

    night.refresh_from_db()
    assert (night.status, states(night)) == ("cancelled", {"cancelled": 1, "paid": 3, "pending": 2, "refunded": 1})
    tier = night.tiers.get()
    with pytest.raises(EventNotActive):
        checkout.place_order(
            event_id=night.pk, tier_id=tier.pk, quantity=1, buyer_name="Ana", buyer_email="ana@example.com"
        )


@pytest.mark.parametrize(
    ("choice", "after", "sold", "sent"),
    [
        (REFUND, {"cancelled": 3, "paid": 1, "refunded": 3}, 2, {"event_off": 2, "refund": 2}),
        # The guest who is inside keeps their place, so its seats are not given back.
        (REFUND_ALL, {"cancelled": 3, "refunded": 4}, 2, {"event_off": 2, "refund": 3}),
        (KEEP, {"cancelled": 3, "paid": 3, "refunded": 1}, 6, {"event_off": 5}),
    ],
)
def test_each_order_ends_as_chosen_and_each_guest_is_told_once(office, night, choice, after, sold, sent):
    call_off(night, choice, office)
    again = call_off(night, choice, office)

    assert (states(night), night.tiers.get().sold, mails(), again) == (after, sold, sent, 0)
    assert differences() == []


def test_history_names_who_called_the_night_off(office, night):
    call_off(night, REFUND, office)

    [row] = AuditLog.objects.filter(action="CANCEL_ORDERS")
    assert (row.user, row.entity_id, row.old_value, row.new_value) == (
        office,
        night.pk,
        None,
        {"paid_orders": "refund"},
    )
    steps = AuditLog.objects.filter(action="STATUS_CHANGE", entity_type="order")
    assert [(step.user, step.new_value["reason"]) for step in steps] == [(office, "the night was cancelled")] * 4


def test_other_nights_are_left_alone(office, night):
    other = make_order(status="paid")

    call_off(night, REFUND_ALL, office)

    assert (states(other.event), Event.objects.get(pk=other.event_id).status) == ({"paid": 1}, "active")


def test_test_order_is_refunded_and_nobody_told(office):
    order = make_order(status="paid", is_test=True)

    assert call_off(order.event, KEEP, office) == 0
    assert call_off(order.event, REFUND, office) == 1
    assert (states(order.event), mails()) == ({"refunded": 1}, {})


def test_guest_who_left_no_address_is_not_waited_for(office):
    order = make_order(status="paid", buyer_email="")
    corrected = make_order(order.tier, "paid", buyer_email="")
    Order.objects.filter(pk=corrected.pk).update(corrected_email="ana@example.com")

    assert call_off(order.event, KEEP, office) == 1
    assert OutboxEmail.objects.get().recipient_email == "ana@example.com"
    assert cancellation.progress(order.event_id).left == 0


def test_money_that_comes_later_waits_for_a_person(office, night):
    order = Order.objects.filter(status="pending").first()
    call_off(night, KEEP, office)

    receive(bodies.recurrente(order))

    order.refresh_from_db()
    assert (order.status, Payment.objects.get().needs_review) == ("cancelled", "late_payment")


def test_night_that_took_place_is_not_called_off(office, night):
    Event.objects.update(status="completed")

    with pytest.raises(WrongEventStatus):
        cancellation.start(night.pk, paid_orders=REFUND, actor=office)
    assert not Cancellation.objects.exists()


# --- Stopping and going on ----------------------------------------------------------------------------------------


def test_killed_in_the_middle_it_is_gone_on_with(office, night, monkeypatch):
    refund, done = status.refund_locked, []

    def die_at_the_second(order, **options):
        refund(order, **options)
        done.append(order)
        if len(done) == 2:
            raise KeyboardInterrupt  # as if the process were ended before the commit

    cancellation.start(night.pk, paid_orders=REFUND_ALL, actor=office)
    monkeypatch.setattr(status, "refund_locked", die_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        cancellation.work_off(night.pk, within=LONG)
    monkeypatch.undo()
    assert Order.objects.filter(status="refunded").count() == 2  # one is from before

    CHORES["work off cancelled nights"].function()

    assert (states(night), mails()) == ({"cancelled": 3, "refunded": 4}, {"event_off": 2, "refund": 3})
    assert differences() == []


def test_order_that_fails_does_not_keep_the_others_waiting(office, night, monkeypatch):
    cancel, broken = status.cancel_locked, Order.objects.filter(status="pending").first()

    def fail_for_one(order, **options):
        if order == broken:
            raise RuntimeError("broken")
        cancel(order, **options)

    monkeypatch.setattr(status, "cancel_locked", fail_for_one)
    assert call_off(night, REFUND, office) == 3
    assert states(night) == {"cancelled": 2, "paid": 1, "pending": 1, "refunded": 3}

    monkeypatch.undo()
    assert cancellation.work_off(night.pk, within=LONG) == 1


def test_no_order_is_begun_after_its_time(office, night):
    cancellation.start(night.pk, paid_orders=REFUND, actor=office)

    assert cancellation.work_off(night.pk, within=timedelta()) == 0
    assert states(night)["pending"] == 2


@pytest.mark.django_db(transaction=True)
def test_order_that_somebody_else_holds_is_left_for_the_next_time():
    office, order = make_user("admin"), make_order(status="paid")
    make_order(order.tier, "paid")
    cancellation.start(order.event_id, paid_orders=REFUND, actor=office)
    done = []

    def work():
        done.append(cancellation.work_off(order.event_id, within=LONG))
        connection.close()

    with transaction.atomic():
        status.lock(order.pk)
        thread = Thread(target=work)
        thread.start()
        thread.join(10)

    order.refresh_from_db()
    assert (done, order.status) == ([1], "paid")
    assert cancellation.work_off(order.event_id, within=LONG) == 1


@pytest.mark.django_db(transaction=True)
def test_several_at_work_refund_each_order_once():
    office, tier = make_user("admin"), make_tier(quantity=50)
    for _ in range(12):
        make_order(tier, "paid")
    cancellation.start(tier.event_id, paid_orders=REFUND, actor=office)
    done = []

    def work():
        done.append(cancellation.work_off(tier.event_id, within=LONG))
        connection.close()

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert (sum(done), states(tier.event)) == (12, {"refunded": 12})
    assert (TicketTier.objects.get().sold, OutboxEmail.objects.filter(email_type="refund").count()) == (0, 12)
    assert differences() == []


def test_another_choice_counts_for_what_is_left(office, night):
    call_off(night, KEEP, office)

    assert call_off(night, REFUND, office) == 2
    assert states(night) == {"cancelled": 3, "paid": 1, "refunded": 3}
    last = AuditLog.objects.filter(action="CANCEL_ORDERS").order_by("created_at", "id").last()
    assert AuditLog.objects.filter(old_value={"paid_orders": "keep"}, new_value={"paid_orders": "refund"}).exists(), (
        last
    )


def test_another_choice_in_the_middle_of_a_round_counts_at_once(office, night, monkeypatch):
    refund = status.refund_locked

    def change_their_mind(order, **options):
        refund(order, **options)
        Cancellation.objects.update(paid_orders=KEEP)

    monkeypatch.setattr(status, "refund_locked", change_their_mind)
    call_off(night, REFUND_ALL, office)

    assert states(night)["refunded"] == 2  # one is from before


def test_order_placed_in_the_last_moment_is_found(office):
    """A sale that had looked at the night before it was called off may commit after it."""
    event = make_event()
    tier = make_tier(event)
    call_off(event, REFUND, office)
    CHORES["work off cancelled nights"].function()
    make_order(tier, "pending")
    make_order(tier, "paid")

    CHORES["work off cancelled nights"].function()

    assert states(event) == {"cancelled": 1, "refunded": 1}


def test_finished_night_is_not_looked_at_again(office, night):
    call_off(night, REFUND, office)
    CHORES["work off cancelled nights"].function()
    assert Cancellation.objects.get().finished_at is None  # somebody may still be ordering

    Cancellation.objects.update(started_at=timezone.now() - timedelta(minutes=6))
    CHORES["work off cancelled nights"].function()

    assert Cancellation.objects.get().finished_at is not None


def test_night_brought_back_is_worked_off_no_further(office, night):
    cancellation.start(night.pk, paid_orders=REFUND, actor=office)
    course.bring_back(night.pk, actor=office)

    CHORES["work off cancelled nights"].function()

    assert states(night) == {"cancelled": 1, "paid": 3, "pending": 2, "refunded": 1}
    assert Cancellation.objects.get().finished_at is not None


def test_night_called_off_again_is_told_again(office):
    order = make_order(status="paid")
    call_off(order.event, KEEP, office)
    OutboxEmail.objects.update(status="sent", created_at=timezone.now() - timedelta(days=1))
    Cancellation.objects.update(started_at=timezone.now() - timedelta(days=1))
    course.bring_back(order.event_id, actor=office)

    assert call_off(order.event, KEEP, office) == 1
    assert mails() == {"event_off": 2}


def test_word_that_has_not_left_yet_is_not_promised_twice(office):
    order = make_order(status="paid")
    call_off(order.event, KEEP, office)
    OutboxEmail.objects.update(created_at=timezone.now() - timedelta(days=1))
    course.bring_back(order.event_id, actor=office)

    assert call_off(order.event, KEEP, office) == 0
    assert mails() == {"event_off": 1}


# --- Figures --------------------------------------------------------------------------------------------------------


def test_dry_run_counts_real_orders_and_their_money(night):
    make_order(night.tiers.get(), "paid", is_test=True)
    Order.objects.filter(status="paid").update(payment_provider="recurrente")
    make_order(make_tier(night, price=Decimal("10"), currency="GTQ"), "paid", payment_provider="admin")

    ahead = cancellation.outlook(night.pk)

    assert (ahead.pending, ahead.paid, ahead.paid_inside, ahead.seats) == (2, 4, 1, 11)
    assert ahead.money == {("recurrente", "USD"): Decimal("153.00"), ("admin", "GTQ"): Decimal("10.00")}
    assert ahead.money_inside == {("recurrente", "USD"): Decimal("51.00")}


def test_progress_counts_what_is_done_and_what_is_left(office, night):
    assert cancellation.progress(night.pk) is None
    cancellation.start(night.pk, paid_orders=REFUND, actor=office)
    before = cancellation.progress(night.pk)
    cancellation.work_off(night.pk, within=LONG)
    after = cancellation.progress(night.pk)

    assert (before.left, before.done, before.refunded) == (4, 0, {})
    assert (after.left, after.done, after.paid, after.refunded) == (0, 4, 1, {("", "USD"): Decimal("102.00")})


def test_progress_tells_what_the_provider_has_not_given_back(office):
    order = make_order(quantity=2)
    receive(bodies.recurrente(order))
    call_off(order.event, REFUND, office)
    assert cancellation.progress(order.event_id).refunds_due == 1

    review.mark_refunded(Payment.objects.get(kind="refund").pk, actor=office)

    assert cancellation.progress(order.event_id).refunds_due == 0


# --- Mails ----------------------------------------------------------------------------------------------------------


def body_of(kind, order):
    message = render(OutboxEmail.objects.get(email_type=kind, order=order))
    [html] = [content for content, kind in message.alternatives]
    return message.body, html


def test_unpaid_guest_is_told_not_to_pay(office, night):
    order = Order.objects.filter(status="pending").first()
    call_off(night, REFUND, office)

    for text in body_of("event_off", order):
        assert "will not take place" in text
        assert "do not pay" in text
        assert "You have paid" not in text


def test_guest_whose_money_is_kept_is_told_that_you_write(office, night):
    order = Order.objects.filter(status="paid").first()
    call_off(night, KEEP, office)

    for text in body_of("event_off", order):
        assert "You have paid for this order: we write to you about your money." in text
        assert "do not pay" not in text


def test_guest_whose_money_waits_for_a_person_is_not_called_unpaid(office):
    order = make_order(quantity=2)
    receive(bodies.recurrente(order, amount_in_cents=5000))
    call_off(order.event, REFUND, office)

    text, _ = body_of("event_off", order)
    assert "You have paid for this order" in text


def test_mail_about_the_refund_says_why(office, night):
    order = Order.objects.filter(status="paid", checkins=None).first()
    call_off(night, REFUND, office)

    for text in body_of("refund", order):
        assert "Luna will not take place" in text
        assert "51.00 USD" in text


def test_refund_of_a_night_that_takes_place_says_nothing_of_the_kind(office, night):
    order = Order.objects.filter(status="paid", checkins=None).first()
    status.refund(order.pk, actor=office)

    for text in body_of("refund", order):
        assert "will not take place" not in text


def test_word_of_a_night_that_was_brought_back_does_not_leave(office, night):
    order = Order.objects.filter(status="paid").first()
    call_off(night, KEEP, office)
    course.bring_back(night.pk, actor=office)

    with pytest.raises(NotWanted, match="takes place after all"):
        body_of("event_off", order)


@pytest.mark.parametrize("choice", [REFUND, KEEP])
def test_page_of_each_order_says_that_the_night_is_off(client, office, night, choice):
    call_off(night, choice, office)

    for order in Order.objects.filter(event=night):
        page = client.get(f"/orders/{links.token_of(order)}/").content.decode()
        assert (order.status, "Luna will not take place." in page) == (order.status, True)


def test_ticket_that_has_not_left_yet_stays_here(office):
    order = make_order()
    status.mark_paid(order.pk, actor=office)

    call_off(order.event, KEEP, office)

    ticket = OutboxEmail.objects.get(email_type="ticket")
    assert (ticket.status, ticket.error_message) == ("failed", "the night was cancelled")


# --- The page -------------------------------------------------------------------------------------------------------


def pages(event):
    return (
        reverse("admin:events_event_step", args=[event.pk, "cancel"]),
        reverse("admin:events_event_change", args=[event.pk]),
    )


def test_page_tells_first_what_would_happen(client, office, night):
    client.force_login(office)
    step, _ = pages(night)

    lines = client.get(step).context["lines"]

    assert "Unpaid orders: 2." in " ".join(lines)
    assert "Paid orders: 3, with 153.00 USD." in " ".join(lines)
    assert "1 belong to guests who were let in already, with 51.00 USD." in " ".join(lines)
    assert "No money moves by this: you give it back, at the provider or by hand." in " ".join(lines)
    assert (states(night)["paid"], mails(), Event.objects.get().status) == (3, {}, "active")


def test_night_is_not_cancelled_without_a_choice(client, office, night):
    client.force_login(office)
    step, _ = pages(night)

    assert client.post(step).status_code == 200
    assert Event.objects.get().status == "active"


def test_small_night_is_settled_when_the_page_comes_back(client, office, night):
    client.force_login(office)
    step, _ = pages(night)

    answer = client.post(step, {"paid_orders": "refund"}, follow=True)

    assert states(night) == {"cancelled": 3, "paid": 1, "refunded": 3}
    text = answer.content.decode()
    assert "is cancelled, and its orders are settled" in text
    assert "102.00 USD paid in an unknown way" in text


def test_large_night_goes_on_by_itself_and_its_page_tells_how_far(client, office, night, monkeypatch):
    monkeypatch.setattr("orders.admin.events.WITHIN_THE_REQUEST", timedelta())
    client.force_login(office)
    step, page = pages(night)

    answer = client.post(step, {"paid_orders": "refund"}, follow=True)
    assert "4 orders are still to be settled" in answer.content.decode()
    assert "0 of 4 orders are settled" in answer.content.decode()

    CHORES["work off cancelled nights"].function()
    assert "its orders are settled:" in client.get(page).content.decode()


def test_door_staff_see_that_a_night_is_off_and_no_money(client, office, night):
    call_off(night, REFUND, office)
    client.force_login(make_user("staff"))

    text = client.get(pages(night)[1]).content.decode()

    assert ("The night is cancelled" in text, "USD" in text.split("tiers-group")[0]) == (True, False)


def test_orders_of_a_night_cancelled_elsewhere_are_settled_as_well(client, office, night):
    Event.objects.update(status="cancelled")
    client.force_login(office)

    client.post(reverse("admin:events_event_step", args=[night.pk, "settle"]), {"paid_orders": "keep"})

    assert (states(night), mails()) == ({"cancelled": 3, "paid": 3, "refunded": 1}, {"event_off": 5})
