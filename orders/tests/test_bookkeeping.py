from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

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
    call_command("doctor", only=["books"])


def test_wrong_counter_is_named():
    order = make_order(quantity=2)
    TicketTier.objects.update(sold=5)

    assert differences() == [f"tier {order.tier_id}: sold is 5, the journal says 2"]
    with pytest.raises(CommandError, match="1 thing needs a person: books"):
        call_command("doctor", only=["books"])


def test_journal_cannot_be_changed():
    make_order(status="paid")

    with pytest.raises(Exception, match="Cannot update"):
        JournalEntry.objects.update(amount=0)


def test_paid_order_without_a_sale_is_named():
    order = make_order(status="pending")
    Order.objects.update(status="paid")

    [difference] = differences()
    assert difference.startswith(f"order {order.order_number} is paid over 25.50: the journal sold 0")


def test_seats_that_were_never_given_back_are_named():
    order = make_order(status="pending", quantity=2)
    Order.objects.update(status="cancelled")

    assert differences() == [f"order {order.order_number} is cancelled: the journal holds 2 of 2 seats"]


def test_charge_that_pays_nothing_and_waits_for_nobody_is_named():
    payment = Payment.objects.create(provider="webhook", reference="pay_1", order=make_order())

    assert differences() == [f"payment {payment.pk} of webhook pays no order and waits for nobody"]


def settled_charge(amount=2550, **fields):
    """A paid order and the charge that is its money."""
    order = make_order(status="paid")
    money = {"amount_minor": amount, "currency": "USD", "reference": "pay_1", **fields}
    return order, Payment.objects.create(provider="webhook", order=order, **money)


def test_books_of_a_charge_agree():
    settled_charge()

    assert differences() == []


def test_second_charge_that_counts_as_the_money_of_an_order_is_named():
    order, charge = settled_charge()
    charge.pk, charge.reference = None, "pay_2"
    charge.save(force_insert=True)

    assert differences() == [f"order {order.order_number}: 2 payments count as its money"]


def test_assigned_charge_of_a_dead_order_is_named():
    order = make_order(status="cancelled")
    fields = {"needs_review": "unknown_order", "outcome": "assigned", "reviewed_at": timezone.now()}
    payment = Payment.objects.create(provider="webhook", reference="pay_1", order=order, **fields)

    assert differences() == [f"payment {payment.pk} of webhook pays no order and waits for nobody"]


@pytest.mark.parametrize(("changes", "text"), [({"amount": 2000}, "20.00 USD"), ({"currency": "GTQ"}, "25.50 GTQ")])
def test_charge_that_brought_something_else_than_was_booked_is_named(changes, text):
    _, charge = settled_charge(**changes)

    [difference] = differences()
    assert difference.startswith(f"payment {charge.pk} brought {text}, the journal has ")


def test_refund_that_is_not_in_the_journal_is_named():
    order, charge = settled_charge()
    part = {"reference": "re_1", "amount_minor": 500, "currency": "USD", "charge": charge, "order": order}
    Payment.objects.create(provider="webhook", kind="refund", **part)

    assert differences() == [f"order {order}: the provider gave back 5.00 USD, the journal has 0.00"]


def test_refunded_order_that_kept_money_is_named():
    order = make_order(status="refunded")
    JournalEntry.objects.create(
        kind="adjustment", order=order, event=order.event, tier=order.tier, amount=1, currency="USD"
    )

    assert differences() == [f"order {order} is refunded: the journal has 1.00 USD of it left"]
