"""Whatever happens in whatever order: every captured amount is ticketed, given back or waits for a person, and the
counters agree with the journal. Hypothesis plays guests, providers, staff, clocks and crashes against the real rules.
"""

import json
from datetime import timedelta

import pytest
from django.core import mail as sent_mails
from django.db import transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from events.models import TicketTier
from homeproductions.errors import Refused
from homeproductions.mail.delivery import process_due
from homeproductions.mail.models import OutboxEmail
from homeproductions.mail.turns import claim
from orders.bookkeeping import differences
from orders.chores import apply_waiting_deliveries
from orders.models import CheckIn, Order, Payment, WebhookDelivery
from orders.places import IS_WAITING, Place, with_place
from orders.services import box_office, checkin, checkout, holds, review, status
from orders.services.box_office import Wish
from tests.factories import make_tier, make_user
from tests.lengths import length
from tests.signing import PATH, new_secret, paid_body, signed_headers

SECRET = new_secret()
SEATS = 6


class Season(RuleBasedStateMachine):
    """One small tier, so that it sells out; nothing here looks inside the services, only at what they leave behind."""

    orders = Bundle("orders")
    deliveries = Bundle("deliveries")

    def __init__(self):
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.tier = make_tier(quantity=SEATS)
        self.staff = make_user("admin")
        self.client = Client(raise_request_exception=True)
        self.captured = set()

    def teardown(self):
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)

    # --- Guests ---

    @rule(target=orders, quantity=st.integers(1, 4), guest=st.sampled_from(["ana", "bea"]))
    def place(self, quantity, guest):
        buyer = {"buyer_name": guest, "buyer_email": f"{guest}@example.com"}
        return self.attempt(
            checkout.place_order, event_id=self.tier.event_id, tier_id=self.tier.pk, quantity=quantity, **buyer
        )

    @rule(target=orders, quantity=st.integers(1, 3), method=st.sampled_from(["cash", "card"]))
    def buy_at_the_door(self, quantity, method):
        return self.attempt(box_office.sell, self.at_the_desk(quantity), method=method, actor=self.staff)

    @rule(target=orders, quantity=st.integers(1, 3))
    def be_given_a_ticket(self, quantity):
        return self.attempt(box_office.give_away, self.at_the_desk(quantity), reason="Press", actor=self.staff)

    # --- The provider ---

    @rule(target=deliveries, order=orders)
    def pay(self, order):
        return self.deliver(paid_body(order) if order else b"{}")

    @rule(target=deliveries, order=orders, change=st.sampled_from([{"amount_in_cents": 1}, {"currency": "GTQ"}]))
    def pay_wrongly(self, order, change):
        return self.deliver(paid_body(order, **change) if order else b"{}")

    @rule(order=orders)
    def pay_for_an_unknown_order(self, order):
        if order:
            self.deliver(paid_body(order, metadata={"order_id": "HP000000-NOTHING0"}, customer_email="x@example.com"))

    @rule(order=orders, amount=st.sampled_from([1000, 2550, 10**6]), known=st.booleans())
    def refund_at_the_provider(self, order, amount, known):
        """In parts, in full, too much, and also for money that has not arrived here yet."""
        payment = Payment.objects.filter(order=getattr(order, "pk", None), kind="charge").first() if order else None
        if order:
            reference = payment.reference if payment and known else "pay_never_seen"
            content = {"event": "payment.refunded", "refund_id": f"re_{Payment.objects.count()}"}
            money = {"payment_id": reference, "amount_in_cents": amount, "currency": "USD"}
            self.deliver(json.dumps({**content, **money}).encode())

    @rule(target=deliveries, order=orders)
    def pay_after_its_refund_was_told(self, order):
        """The refund's notice overtakes the payment's."""
        if not order:
            return self.deliver(b"{}")
        reference = f"pay_{Payment.objects.count()}"
        refund = {"event": "payment.refunded", "refund_id": f"re_{reference}", "payment_id": reference}
        total = int(order.total_price * 100)
        self.deliver(json.dumps({**refund, "amount_in_cents": total, "currency": "USD"}).encode())
        return self.deliver(paid_body(order, id=reference))

    @rule(target=deliveries, order=orders)
    def pay_without_naming_the_order(self, order):
        """Only address, amount and currency tell; several pending orders may fit, or none."""
        return self.deliver(paid_body(order, metadata={}) if order else b"{}")

    @rule(order=orders)
    def pay_in_words_that_nobody_knows(self, order):
        if order:
            self.deliver(paid_body(order).replace(b"checkout.completed", b"checkout.fulfilled"))

    @rule(number=st.integers(0, 5))
    def refund_fails_at_the_provider(self, number):
        """One that was told as done before, or one that nobody has heard of."""
        refund = Payment.objects.filter(kind="refund").order_by("created_at")[number : number + 1].first()
        charge = Payment.objects.filter(kind="charge").order_by("created_at")[number : number + 1].first()
        if charge:
            reference = refund.reference if refund else f"re_failed_{number}"
            amount = refund.amount_minor if refund else 1000
            content = {"event": "payment.refunded", "status": "failed", "refund_id": reference}
            money = {"payment_id": charge.reference, "amount_in_cents": amount, "currency": "USD"}
            self.deliver(json.dumps({**content, **money}).encode())

    @rule(number=st.integers(0, 5), amount=st.sampled_from([1000, 10**6, None]))
    def dispute(self, number, amount):
        charge = Payment.objects.filter(kind="charge").order_by("created_at")[number : number + 1].first()
        if charge:
            content = {"event": "payment.disputed", "dispute_id": f"dp_{number}", "payment_id": charge.reference}
            self.deliver(json.dumps({**content, "amount_in_cents": amount, "currency": "USD"}).encode())

    @rule(delivery=deliveries)
    def deliver_again(self, delivery):
        body, headers = delivery
        assert self.client.post(PATH, body, content_type="application/json", headers=headers).status_code == 200

    @rule(order=orders)
    def store_and_die(self, order):
        """The web process is killed between storing the delivery and applying it."""
        if order:
            WebhookDelivery.objects.create(
                provider="webhook",
                event_id=f"msg_{WebhookDelivery.objects.count()}",
                body=paid_body(order),
                received_at=timezone.now() - timedelta(minutes=2),
            )

    # --- The house ---

    @rule(order=orders)
    def cancel(self, order):
        self.attempt(status.cancel, getattr(order, "pk", None), actor=self.staff)

    @rule(order=orders, force=st.booleans())
    def refund(self, order, force):
        self.attempt(status.refund, getattr(order, "pk", None), actor=self.staff, force=force)

    @rule(order=orders)
    def mark_paid(self, order):
        self.attempt(status.mark_paid, getattr(order, "pk", None), actor=self.staff)

    @rule(target=orders, number=st.integers(0, 5), order=orders, is_named=st.booleans(), is_accepted=st.booleans())
    def accept_late(self, number, order, is_named, is_accepted):
        """A person works through the list, not always wisely; so in the next three."""
        named = order.pk if order and is_named else None
        return self.decide(review.accept_late, number, order_id=named, accept_difference=is_accepted)

    @rule(number=st.integers(0, 5), order=orders, is_accepted=st.booleans())
    def assign(self, number, order, is_accepted):
        if order:
            self.decide(review.assign, number, order.pk, accept_difference=is_accepted)

    @rule(number=st.integers(0, 5))
    def note_as_given_back(self, number):
        self.decide(review.mark_refunded, number)

    @rule(number=st.integers(0, 5))
    def ignore(self, number):
        self.decide(review.ignore, number, note="Not ours.")

    @rule(order=orders)
    def resend(self, order):
        self.attempt(status.resend_ticket, getattr(order, "pk", None), actor=self.staff)

    @rule(order=orders)
    def scan(self, order):
        if order:
            before = Order.objects.get(pk=order.pk).status
            if self.attempt(checkin.check_in, checkin.Scan(text=order.order_number, actor=self.staff)):
                assert before == "paid"

    @rule(order=orders, people=st.integers(1, 4))
    def let_some_in(self, order, people):
        if order:
            self.attempt(checkin.check_in, checkin.Scan(text=str(order.pk), actor=self.staff, people=people))

    @rule(order=orders)
    def issue_a_new_code(self, order):
        self.attempt(status.reissue_ticket, getattr(order, "pk", None), actor=self.staff)

    @rule(minutes=st.sampled_from([1, 61]))
    def expire(self, minutes):
        holds.expire_due(timezone.now() + timedelta(minutes=minutes))

    @rule()
    def worker_round(self):
        apply_waiting_deliveries()
        process_due()

    @rule()
    def worker_dies_holding_mail(self):
        claim(limit=1)
        OutboxEmail.objects.filter(status="processing").update(lease_until=timezone.now())

    # --- What must hold after every step ---

    @invariant()
    def books_agree(self):
        assert differences() == []

    @invariant()
    def stock_is_in_bounds(self):
        assert 0 <= TicketTier.objects.get(pk=self.tier.pk).sold <= SEATS

    @invariant()
    def every_captured_amount_is_here_and_in_one_place(self):
        charges = with_place(Payment.objects.filter(kind="charge"))
        assert self.captured <= set(charges.values_list("reference", flat=True))
        assert not charges.filter(place=Place.NOWHERE).exists()

    @invariant()
    def staff_knows_of_everything_that_waits(self):
        told = set(OutboxEmail.objects.filter(email_type="staff_alert").values_list("context__payment", flat=True))
        # The office knows of what it owes: it took the order back itself.
        waiting = Payment.objects.filter(IS_WAITING).exclude(needs_review="refund_due").values_list("pk", flat=True)
        assert {str(pk) for pk in waiting} <= told

    @invariant()
    def guests_who_paid_hold_a_ticket(self):
        for charge in with_place(Payment.objects.filter(kind="charge")).filter(place=Place.TICKETED):
            assert OutboxEmail.objects.filter(order=charge.order, email_type="ticket").exists()

    @invariant()
    def ticket_mail_only_for_orders_that_were_paid(self):
        tickets = OutboxEmail.objects.filter(email_type="ticket")
        assert not tickets.filter(order__payment_confirmed_at=None).exists()
        assert not tickets.filter(status__in=OutboxEmail.OPEN).exclude(order__status="paid").exists()

    @invariant()
    def nobody_is_let_in_twice(self):
        assert CheckIn.objects.count() == CheckIn.objects.values("order").distinct().count()

    # --- Helpers ---

    def attempt(self, act, *args, **kwargs):
        """What a service refuses leaves everything as it was; that is for the invariants to see."""
        if args == (None,):
            return None
        try:
            with transaction.atomic():
                return act(*args, **kwargs)
        except Refused:
            return None

    def at_the_desk(self, quantity):
        address = "door@example.com"
        return Wish(event_id=self.tier.event_id, tier_id=self.tier.pk, quantity=quantity, email=address)

    def decide(self, decision, number, *args, **kwargs):
        payment = Payment.objects.filter(IS_WAITING).order_by("created_at")[number : number + 1].first()
        return self.attempt(decision, payment.pk, *args, actor=self.staff, **kwargs) if payment else None

    def deliver(self, body):
        headers = signed_headers(SECRET, body)
        response = self.client.post(PATH, body, content_type="application/json", headers=headers)
        assert response.status_code == 200
        content = json.loads(body)
        if content.get("event", "").startswith("checkout."):
            self.captured.add(content["data"]["id"])
        return body, headers


@pytest.mark.timeout(1800)  # it takes half a minute on an idle machine, and ten times that at full length
@pytest.mark.django_db
def test_money_is_never_lost(settings_for_payments):
    play(examples=length(40, 400), phases=(Phase.generate,))


@pytest.mark.timeout(600)
@pytest.mark.django_db
def test_control_seats_that_are_not_given_back_are_noticed(settings_for_payments, monkeypatch):
    monkeypatch.setattr(status, "release", lambda *args: None)

    with pytest.raises(AssertionError, match="sold is"):
        play(examples=20, phases=(Phase.generate,))  # to find it is enough; making it small takes minutes


def play(examples, phases=tuple(Phase)):
    run_state_machine_as_test(
        Season,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def settings_for_payments(settings):
    settings.PAYMENT_WEBHOOK_SECRETS = [SECRET]
    sent_mails.outbox.clear()
    return settings
