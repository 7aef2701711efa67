from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from events.models import TicketTier
from orders.bookkeeping import differences
from orders.models import CheckIn, JournalEntry, Order, Payment
from orders.services import checkout, status
from tests.factories import make_order, make_tier, make_user

pytestmark = pytest.mark.django_db


def books():
    """Kind, seats and amount of every entry, in the order they were written."""
    return list(JournalEntry.objects.order_by("created_at", "kind").values_list("kind", "seats", "amount"))


def place(tier, quantity=2):
    return checkout.place_order(
        event_id=tier.event_id, tier_id=tier.pk, quantity=quantity, buyer_name="A", buyer_email="a@example.com"
    )


def test_sale_and_refund_are_written_once_each():
    order, actor = place(make_tier()), make_user("admin")

    for step in (status.mark_paid, status.mark_paid, status.refund, status.refund):
        step(order.pk, actor=actor)

    assert sorted(books()) == [
        ("refund", 0, Decimal("-51.00")),
        ("released", -2, Decimal(0)),
        ("reserved", 2, Decimal(0)),
        ("sale", 0, Decimal("51.00")),
    ]
    assert differences() == []


def test_cancelled_order_gives_its_seats_back():
    order = place(make_tier())

    status.cancel(order.pk)

    assert sorted(books()) == [("released", -2, Decimal(0)), ("reserved", 2, Decimal(0))]
    assert differences() == []


def test_seats_of_a_refunded_guest_who_is_inside_stay_taken():
    order, actor = place(make_tier()), make_user("admin")
    status.mark_paid(order.pk, actor=actor)
    CheckIn.objects.create(order=order, admitted=2)

    status.refund(order.pk, actor=actor, force=True)

    assert (TicketTier.objects.get().sold, differences()) == (2, [])


def test_test_orders_write_nothing():
    make_order(status="paid", is_test=True)

    assert (books(), differences()) == ([], [])


@pytest.mark.parametrize("state", ["pending", "paid", "cancelled", "refunded"])
def test_books_of_every_state_agree(state):
    make_order(status=state, quantity=3)

    assert differences() == []
    call_command("doctor")


def test_wrong_counter_is_named():
    order = make_order(quantity=2)
    TicketTier.objects.update(sold=5)

    assert differences() == [f"tier {order.tier_id}: sold is 5, the journal says 2"]
    with pytest.raises(CommandError, match="1 difference"):
        call_command("doctor")


def test_journal_cannot_be_changed():
    make_order(status="paid")

    with pytest.raises(Exception, match="Cannot update"):
        JournalEntry.objects.update(amount=0)


def test_paid_order_without_a_sale_is_named():
    order = make_order(status="pending")
    Order.objects.update(status="paid")

    [difference] = differences()
    assert difference.startswith(f"order {order.order_number} is paid over 25.50: the journal has 0")


def test_seats_that_were_never_given_back_are_named():
    order = make_order(status="pending", quantity=2)
    Order.objects.update(status="cancelled")

    assert differences() == [f"order {order.order_number} is cancelled: the journal holds 2 of 2 seats"]


def test_charge_that_pays_nothing_and_waits_for_nobody_is_named():
    payment = Payment.objects.create(provider="webhook", reference="pay_1", order=make_order())

    assert differences() == [f"payment {payment.pk} of webhook pays no order and waits for nobody"]
