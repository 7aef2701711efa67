"""The mails about an order other than its ticket: who gets which, when it is taken back, and what it says."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.utils import timezone

from homeproductions.mail import services as outbox
from homeproductions.mail.delivery import process_due
from homeproductions.mail.models import OutboxEmail
from orders import links, mails
from orders.models import Order, Payment
from orders.services import checkout, holds, review, status
from tests.factories import make_event, make_order, make_tier, make_user

pytestmark = pytest.mark.django_db
UNTIL = datetime(2026, 12, 1, 3, 5, tzinfo=UTC)


def queue_received(order):
    mails.received(order).save(force_insert=True)


QUEUES = {
    "confirmation": (queue_received, "pending"),
    "refund": (mails.queue_refunded, "refunded"),
    "hold_expired": (mails.queue_hold_expired, "cancelled"),
    "ticket": (mails.queue_ticket, "paid"),
}
every_kind = pytest.mark.parametrize(("queue", "state"), QUEUES.values(), ids=QUEUES.keys())


def place(**fields):
    tier = make_tier(make_event(name="Noche Blanca", venue="Casa Comal"), name="VIP", **fields)
    buyer = {"buyer_name": "Lucía Pérez", "buyer_email": "lucia@example.com"}
    return checkout.place_order(event_id=tier.event_id, tier_id=tier.pk, quantity=2, **buyer)


def kinds(**fields):
    return list(OutboxEmail.objects.filter(**fields).order_by("created_at").values_list("email_type", flat=True))


def charge(order, reason="late_payment", **fields):
    """Money for the order that waits for a person."""
    money = {"amount_minor": int(order.total_price * 100), "currency": order.currency}
    return Payment.objects.create(
        order=order, provider="recurrente", reference="pa_1", needs_review=reason, **{**money, **fields}
    )


def texts_of(message):
    return message.body, message.alternatives[0].content


def test_placed_order_is_asked_to_pay():
    order = place()

    mail = OutboxEmail.objects.get()
    assert (mail.order, mail.email_type, mail.recipient_email) == (order, "confirmation", "lucia@example.com")
    assert mail.subject == "Your order for Noche Blanca: please pay"


def test_free_order_is_not_asked_to_pay():
    place(price=0)

    assert kinds() == ["ticket"]


def test_payment_takes_the_invitation_back_and_leaves_the_ticket():
    order = place()

    status.mark_paid(order.pk, actor=make_user())

    assert (kinds(status="failed"), kinds(status="pending")) == (["confirmation"], ["ticket"])
    assert OutboxEmail.objects.get(status="failed").error_message == "the order was paid"


def test_cancelling_takes_the_invitation_back():
    order = place()

    status.cancel(order.pk)

    assert (kinds(status="failed"), kinds(status="pending")) == (["confirmation"], [])


def test_refund_takes_the_ticket_back_and_is_told():
    order = place()
    status.mark_paid(order.pk, actor=make_user())

    status.refund(order.pk)

    assert (kinds(status="failed"), kinds(status="pending")) == (["confirmation", "ticket"], ["refund"])
    assert OutboxEmail.objects.get(status="pending").subject == "Refunded: Noche Blanca"


def test_refunding_twice_tells_once():
    order = make_order(status="paid")

    status.refund(order.pk)
    status.refund(order.pk)

    assert kinds() == ["refund"]


def test_closing_an_order_leaves_the_word_to_the_staff_alone():
    order = make_order(status="paid")
    outbox.queue("staff_alert", order=order, recipient="office@example.com", subject="Look")

    status.refund(order.pk)

    assert sorted(kinds(status="pending")) == ["refund", "staff_alert"]


@pytest.mark.parametrize("queue", [mails.queue_refunded, mails.queue_hold_expired])
def test_test_order_is_told_nothing(queue):
    assert queue(make_order(is_test=True)) is None
    assert kinds() == []


@every_kind
def test_each_mail_arrives_with_the_link(queue, state, mailoutbox):
    order = make_order(make_tier(make_event(name="Noche Blanca", venue="Casa Comal")), state, quantity=2)
    queue(order)

    process_due()

    [message] = mailoutbox
    facts = ["Lucía Pérez", "Noche Blanca", "Casa Comal", order.order_number, links.order_url(order)]
    for text in texts_of(message):
        assert [fact for fact in facts if fact not in text] == []
        assert "{" not in text.replace("{margin", "")
    assert (message.to, OutboxEmail.objects.get().status) == (["lucia@example.com"], "sent")


@every_kind
@pytest.mark.parametrize("now", ["pending", "paid", "cancelled", "refunded"])
def test_mail_whose_reason_is_gone_is_not_sent(queue, state, now, mailoutbox):
    queue(make_order(status=now))

    process_due()

    assert (len(mailoutbox), OutboxEmail.objects.get().status) == ((1, "sent") if now == state else (0, "failed"))


def test_mail_that_comes_too_late_to_pay_is_not_sent(mailoutbox):
    queue_received(make_order(hold_expires_at=timezone.now() - timedelta(seconds=1)))

    process_due()

    assert (mailoutbox, OutboxEmail.objects.get().error_message) == ([], "the time to pay is over")


MONEY_MAILS = {
    "confirmation": (queue_received, "pending", "amount_mismatch"),
    "hold_expired": (mails.queue_hold_expired, "cancelled", "late_payment"),
}


@pytest.mark.parametrize(("queue", "state", "reason"), MONEY_MAILS.values(), ids=MONEY_MAILS.keys())
def test_guest_whose_money_waits_is_not_told_that_it_is_missing(queue, state, reason, mailoutbox):
    order = make_order(status=state)
    queue(order)
    charge(order, reason)

    process_due()

    mail = OutboxEmail.objects.get()
    assert (mailoutbox, mail.error_message) == ([], "a payment for the order waits for a person")


@pytest.mark.parametrize(("queue", "state", "reason"), MONEY_MAILS.values(), ids=MONEY_MAILS.keys())
def test_guest_whose_money_went_back_is_told_as_usual(queue, state, reason, mailoutbox):
    order = make_order(status=state)
    queue(order)
    charge(order, reason, outcome="refunded", reviewed_at=timezone.now())

    process_due()

    assert len(mailoutbox) == 1


def test_guest_who_has_a_ticket_after_all_is_not_told_that_the_order_expired(mailoutbox):
    order = make_order(hold_expires_at=timezone.now() - timedelta(seconds=1))
    holds.expire_due()
    successor = review.accept_late(charge(Order.objects.get(pk=order.pk)).pk, actor=make_user("admin"))

    process_due()

    assert OutboxEmail.objects.get(email_type="hold_expired").error_message == "another order took its place"
    assert list(OutboxEmail.objects.filter(status="sent").values_list("order", flat=True)) == [successor.pk]


def test_cancelling_by_hand_while_money_waits_tells_the_guest_nothing(mailoutbox):
    order = place()
    charge(order, "amount_mismatch")

    status.cancel(order.pk, actor=make_user())
    process_due()

    assert (mailoutbox, kinds(status="failed"), kinds(status="pending")) == ([], ["confirmation"], [])


def test_refund_names_the_money_that_was_taken(mailoutbox):
    order = make_order()
    payment = charge(order, "amount_mismatch", amount_minor=20000, currency="GTQ")
    review.assign(payment.pk, order.pk, actor=make_user("admin"), accept_difference=True)

    status.refund(order.pk)
    process_due()

    for text in texts_of(mailoutbox[-1]):
        assert ("You get 200.00 GTQ back" in text, "25.50 USD back" in text) == (True, False)


def test_refund_of_a_free_order_promises_no_money(mailoutbox):
    status.refund(place(price=0).pk)

    process_due()

    assert not any("back the way you" in text for text in texts_of(mailoutbox[-1]))


def test_order_is_told_until_when_to_pay(mailoutbox, settings):
    with time_machine.travel(UNTIL - timedelta(hours=1)):
        queue_received(make_order(hold_expires_at=UNTIL))
        process_due()

    for text in texts_of(mailoutbox[0]):
        plain = text.replace("<strong>", "").replace("</strong>", "")
        assert "We hold your seats until 9:05 PM on Monday, November 30 (Guatemala time)." in plain
        assert "25.50 USD" in plain


def test_order_that_is_held_for_ever_names_no_end(mailoutbox):
    queue_received(make_order(hold_expires_at=None))

    process_due()

    assert not any("until" in text for text in texts_of(mailoutbox[0]))


def test_invitation_is_rolled_back_with_its_order(monkeypatch):
    def impossible(order):
        return OutboxEmail(email_type="confirmation", order=order, recipient_email="a@b.co", subject="x", attempts=99)

    monkeypatch.setattr(mails, "received", impossible)
    with pytest.raises(IntegrityError), transaction.atomic():
        place()

    assert (Order.objects.count(), OutboxEmail.objects.count()) == (0, 0)
