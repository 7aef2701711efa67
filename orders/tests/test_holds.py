from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from constance import config
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditLog
from events.models import TicketTier
from homeproductions import chores
from homeproductions.mail.models import OutboxEmail
from homeproductions.mail.registry import render
from orders import mails
from orders.checkouts import Standing
from orders.models import JournalEntry, Order, Payment
from orders.services import holds, review, status
from tests import provider_bodies as bodies
from tests.factories import make_event, make_order, make_tier, make_user
from tests.provider_bodies import receive

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def wish(tier, **changes):
    return {
        "eventId": str(tier.event_id),
        "tierId": str(tier.pk),
        "buyerName": "Lucía Pérez",
        "buyerEmail": "lucia@example.com",
        **changes,
    }


def held_for(order):
    return order.hold_expires_at and round((order.hold_expires_at - order.created_at) / MINUTE)


def make_due(tier=None, **fields):
    return make_order(tier, **{"hold_expires_at": timezone.now() - MINUTE, **fields})


def make_due_at_provider(**fields):
    return make_due(checkout_provider="stripe", checkout_reference=f"cs_{make_user().pk}", **fields)


def asked_again(order):
    """The hold is over once more."""
    Order.objects.filter(pk=order.pk).update(hold_expires_at=timezone.now() - MINUTE)
    expired = holds.expire_due()
    order.refresh_from_db()
    return expired


@pytest.fixture
def answers(monkeypatch):
    """What the provider says, by checkout; the list of those asked."""

    class Answers(dict):
        asked: list

        def __call__(self, order):
            assert not connection.savepoint_ids  # no transaction but the test's own
            self.asked.append(order.order_number)
            answer = self[order.order_number]
            if isinstance(answer, Exception):
                raise answer
            return answer if isinstance(answer, Standing) else Standing(answer)

    answers = Answers()
    answers.asked = []
    monkeypatch.setattr(holds, "ask_provider", answers)
    return answers


# --- Length ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("house", "event", "expected"),
    [
        (60, None, 60),
        (30, None, 30),
        (0, None, None),
        (-5, None, None),
        (60, 5, 5),
        (60, 0, None),
        (0, 15, 15),
        (10**15, None, 60 * 24 * 365 * 10),
    ],
)
def test_event_says_how_long_a_hold_is_and_else_the_house(api, house, event, expected):
    config.order_hold_minutes = house
    tier = make_tier(make_event(hold_minutes=event))

    assert api.post("/api/orders", wish(tier)).status_code == 201

    assert held_for(Order.objects.get()) == expected


def test_free_order_has_no_hold(api):
    api.post("/api/orders", wish(make_tier(price=Decimal(0))))

    assert list(Order.objects.values_list("status", "hold_expires_at")) == [("paid", None)]


def test_setting_is_read_before_the_tier_is_locked_and_not_for_every_order(api, settings):
    settings.MEMORY_SECONDS = 60
    tier = make_tier()

    with CaptureQueriesContext(connection) as first:
        api.post("/api/orders", wish(tier))
    with CaptureQueriesContext(connection) as second:
        api.post("/api/orders", wish(tier))

    statements = [query["sql"] for query in first]
    setting = next(place for place, sql in enumerate(statements) if "constance" in sql)
    lock = next(place for place, sql in enumerate(statements) if "UPDATE ticket_tiers" in sql)
    assert setting < lock
    assert not [query["sql"] for query in second if "constance" in query["sql"]]


# --- Expiry ------------------------------------------------------------------------------------------------


def test_expired_order_gives_its_seats_back_and_its_buyer_is_told():
    tier = make_tier()
    order = make_due(tier, quantity=2)

    assert holds.expire_due() == 1

    order.refresh_from_db()
    assert (order.status, TicketTier.objects.get().sold) == ("cancelled", 0)
    assert order.cancelled_at is not None
    assert list(JournalEntry.objects.filter(kind="released").values_list("order", "seats")) == [(order.pk, -2)]
    change = AuditLog.objects.get(action="STATUS_CHANGE")
    assert (change.user, change.old_value) == (None, {"status": "pending"})
    assert change.new_value == {"status": "cancelled", "reason": "hold expired"}
    assert OutboxEmail.objects.get().email_type == "hold_expired"


def test_expiry_closes_the_mails_that_asked_for_money():
    order = make_due()
    earlier = mails.queue_ticket(order)

    holds.expire_due()

    earlier.refresh_from_db()
    assert (earlier.status, earlier.error_message) == ("failed", "the order was cancelled")
    assert OutboxEmail.objects.get(status="pending").email_type == "hold_expired"


def test_mail_tells_which_order_has_ended():
    order = make_due(buyer_name="Tom & <b>Ana</b>")
    holds.expire_due()

    message = render(OutboxEmail.objects.get())

    assert order.order_number in message.body
    assert "Tom & <b>Ana</b>" in message.body
    assert "Tom &amp; &lt;b&gt;Ana&lt;/b&gt;" in message.alternatives[0].content


@pytest.mark.parametrize("state", ["paid", "cancelled", "refunded"])
def test_order_that_is_not_pending_stays(state):
    order = make_due(status=state)

    assert holds.expire_due() == 0

    order.refresh_from_db()
    assert order.status == state
    assert not OutboxEmail.objects.exists()


def test_hold_that_is_not_over_or_has_no_end_stays():
    make_order(hold_expires_at=timezone.now() + MINUTE)
    make_order(hold_expires_at=None)

    assert holds.expire_due() == 0
    assert set(Order.objects.values_list("status", flat=True)) == {"pending"}


def test_expiring_again_changes_nothing():
    make_due(quantity=3)

    assert [holds.expire_due(), holds.expire_due()] == [1, 0]
    assert TicketTier.objects.get().sold == 0
    assert OutboxEmail.objects.count() == 1


def test_order_that_was_paid_after_the_first_look_stays(monkeypatch):
    order = make_due()
    seen = list(holds._due(timezone.now()))
    status.mark_paid(order.pk, actor=make_user(), send_email=False)
    monkeypatch.setattr(holds, "_due", lambda now: iter(seen))

    assert holds.expire_due() == 0

    order.refresh_from_db()
    assert (order.status, order.tier.sold) == ("paid", 1)


def test_one_order_that_fails_keeps_nobody_waiting(monkeypatch):
    monkeypatch.setattr(holds, "BATCH", 2)
    tier = make_tier()
    bad, *good = [make_due(tier, hold_expires_at=timezone.now() - MINUTE * (10 - n)) for n in range(5)]
    queue = mails.queue_hold_expired

    def fail_for_one(order):
        if order.pk == bad.pk:
            raise RuntimeError("no")
        return queue(order)

    monkeypatch.setattr(mails, "queue_hold_expired", fail_for_one)

    assert holds.expire_due() == 4

    assert set(Order.objects.filter(status="cancelled")) == set(good)
    assert TicketTier.objects.get().sold == 1  # its release was undone with the rest
    assert not JournalEntry.objects.filter(order=bad, kind="released").exists()


def test_batches_reach_every_order(monkeypatch):
    monkeypatch.setattr(holds, "BATCH", 2)
    tier, moment = make_tier(), timezone.now() - MINUTE
    for _ in range(5):
        make_due(tier, hold_expires_at=moment)

    assert holds.expire_due() == 5
    assert TicketTier.objects.get().sold == 0


def test_worker_stops_in_time_for_its_other_work():
    make_due()

    assert holds.expire_due(within=timedelta(0)) == 0


def test_command_says_how_many_expired():
    make_due()
    output = StringIO()

    call_command("expire_orders", stdout=output)

    assert output.getvalue() == "expired: 1\n"
    assert Order.objects.get().status == "cancelled"


def test_worker_loop_expires_holds_every_30_seconds():
    make_due()
    chore = chores.CHORES["expire holds"]

    chore.function()

    assert chore.every == timedelta(seconds=30)
    assert Order.objects.get().status == "cancelled"


# --- Checkouts at a provider -------------------------------------------------------------------------------


def test_order_without_a_checkout_is_not_asked_about(answers):
    make_due()

    assert (holds.expire_due(), answers.asked) == (1, [])


def test_closed_checkout_expires_at_once(answers):
    order = make_due_at_provider()
    answers[order.order_number] = "gone"

    assert holds.expire_due() == 1
    assert answers.asked == [order.order_number]


def test_paid_checkout_pays_the_order_although_its_webhook_never_came(answers):
    order = make_due_at_provider()
    answers[order.order_number] = "paid"

    assert holds.expire_due() == 0

    order.refresh_from_db()
    payment = Payment.objects.get()
    assert (order.status, payment.order, payment.needs_review) == ("paid", order, "")
    assert payment.checkout_reference == order.checkout_reference
    assert OutboxEmail.objects.filter(order=order, email_type="ticket").count() == 1


def test_payment_that_was_asked_about_counts_once_when_its_webhook_comes_after_all(answers):
    order = make_due_at_provider()
    answers[order.order_number] = Standing("paid", payment=f"pi_{order.pk.hex[:8]}")
    holds.expire_due()

    # Two of Stripe's events: one names the checkout and the payment, the other only the payment.
    receive(bodies.stripe_intent(order), "stripe")
    receive(bodies.stripe_session(order, id=order.checkout_reference), "stripe")

    assert list(Payment.objects.values_list("order", "needs_review")) == [(order.pk, "")]


def test_money_that_waits_for_a_person_keeps_the_seats():
    order = make_due()
    receive(bodies.recurrente(order, amount_in_cents=100))

    assert holds.expire_due() == 0
    order.refresh_from_db()
    assert (order.status, Payment.objects.get().needs_review) == ("pending", "amount_mismatch")

    review.mark_refunded(Payment.objects.get().pk, actor=make_user("admin"))
    assert holds.expire_due() == 1


@pytest.mark.parametrize("answer", ["open", "under way", "unknown", RuntimeError("away")])
def test_other_answers_earn_a_few_extensions_and_then_the_hold_ends(answers, answer):
    order = make_due_at_provider()
    answers[order.order_number] = answer
    extensions = holds.EXTENSIONS["unknown" if isinstance(answer, Exception) else answer]

    assert [asked_again(order) for _ in range(extensions + 1)] == [0] * extensions + [1]
    assert order.status == "cancelled"


def test_checkout_made_after_the_question_is_asked_about_first(answers, monkeypatch):
    order = make_due()
    seen = list(holds._due(timezone.now()))
    Order.objects.update(checkout_provider="stripe", checkout_reference="cs_new")
    monkeypatch.setattr(holds, "_due", lambda now: iter(seen))

    assert holds.expire_due() == 0

    order.refresh_from_db()
    assert order.status == "pending"


def test_provider_that_is_away_is_left_in_peace_and_costs_nobody_an_extension(answers):
    orders = [make_due_at_provider() for _ in range(holds.UNANSWERED_LIMIT + 2)]
    plain = make_due()
    answers.update({order.order_number: "unknown" for order in orders})

    assert holds.expire_due() == 1

    assert len(answers.asked) == holds.UNANSWERED_LIMIT == AuditLog.objects.filter(action="HOLD_POSTPONED").count()
    plain.refresh_from_db()
    assert plain.status == "cancelled"
