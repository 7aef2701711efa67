"""Money that goes back to its payer, or that did not get there after all, and what a person decides about it."""

from decimal import Decimal

import pytest

from homeproductions.errors import Refused
from orders import journal, places
from orders.bookkeeping import differences
from orders.models import CheckIn, Payment
from orders.services import review, status
from tests import provider_bodies as bodies
from tests.factories import make_order, make_user
from tests.provider_bodies import receive

pytestmark = pytest.mark.django_db


@pytest.fixture
def office():
    return make_user("admin")


@pytest.fixture
def order():
    """Paid over 51.00 with Stripe."""
    order = make_order(status="pending", quantity=2)
    receive(bodies.stripe_session(order), "stripe")
    return order


@pytest.fixture(autouse=True)
def books_agree():
    yield
    assert differences() == []


def refund(order, amount, step="succeeded", number=1):
    return receive(bodies.stripe_refund(order, amount, status=step, id=f"re_{number}"), "stripe")


def waiting():
    return Payment.objects.filter(places.IS_WAITING).get()


def place():
    return places.with_place(Payment.objects.filter(kind="charge")).get().place


def standing(order):
    order.refresh_from_db()
    return order.status, journal.balance(order)


# --- A refund that failed ------------------------------------------------------------------------------------


def test_failed_refund_of_a_refunded_order_leaves_its_money_with_a_person(order, office):
    refund(order, 5100)
    assert (place(), standing(order)) == ("given back", ("refunded", {}))

    refund(order, 5100, "failed")

    assert (place(), standing(order)[0]) == ("waiting for a person", "refunded")
    with pytest.raises(Refused, match="neither ticket nor money"):
        review.ignore(waiting().pk, actor=office, note="Never mind")
    review.mark_refunded(waiting().pk, actor=office, note="By bank transfer")
    assert (place(), standing(order)) == ("given back", ("refunded", {}))


def test_failed_part_is_taken_back_from_the_books_until_it_was_given_in_another_way(order, office):
    refund(order, 1000)
    refund(order, 500, number=2)
    assert standing(order) == ("paid", {"USD": Decimal("36.00")})

    refund(order, 1000, "failed")
    assert standing(order) == ("paid", {"USD": Decimal("46.00")})

    review.mark_refunded(Payment.objects.get(needs_review="refund_failed").pk, actor=office)
    assert standing(order) == ("paid", {"USD": Decimal("36.00")})


def test_failed_part_may_be_kept_while_the_ticket_is_good(order, office):
    refund(order, 1000)
    refund(order, 1000, "failed")

    review.ignore(waiting().pk, actor=office, note="The guest does not want it any more")

    assert (place(), standing(order)) == ("ticketed", ("paid", {"USD": Decimal("51.00")}))


def test_failed_refund_that_nobody_heard_of_before_is_booked_once_it_was_made_in_another_way(order, office):
    refund(order, 5100, "failed")
    assert standing(order) == ("paid", {"USD": Decimal("51.00")})

    review.mark_refunded(waiting().pk, actor=office)

    assert (place(), standing(order)) == ("given back", ("refunded", {}))


def test_failed_refund_is_told_again_by_nobody(order):
    refund(order, 5100)

    reasons = [refund(order, 5100, "failed").reason for _ in range(2)]

    assert (reasons, Payment.objects.filter(kind="refund").count()) == (["refund_failed"] * 2, 1)


def test_failed_refund_of_money_that_waited_makes_it_wait_again(office):
    order = make_order(quantity=2)
    receive(bodies.stripe_session(order, amount_total=100), "stripe")
    refund(order, 100)
    assert place() == "given back"

    refund(order, 100, "failed")

    assert place() == "waiting for a person"
    with pytest.raises(Refused, match="neither ticket nor money"):
        review.ignore(waiting().pk, actor=office, note="Never mind")


# --- A dispute -----------------------------------------------------------------------------------------------


def test_lost_dispute_takes_the_ticket_back(order, office):
    receive(bodies.stripe_dispute(order), "stripe")

    review.mark_refunded(waiting().pk, actor=office)

    assert (place(), standing(order)) == ("given back", ("refunded", {}))
    order.tier.refresh_from_db()
    assert order.tier.sold == 0


def test_lost_dispute_of_a_guest_who_is_inside_keeps_the_seats(order, office):
    CheckIn.objects.create(order=order, admitted=2)
    receive(bodies.stripe_dispute(order), "stripe")

    review.mark_refunded(waiting().pk, actor=office)

    order.tier.refresh_from_db()
    assert (standing(order)[0], order.tier.sold) == ("refunded", 2)


def test_dispute_that_was_won_changes_nothing(order, office):
    receive(bodies.stripe_dispute(order), "stripe")

    review.ignore(waiting().pk, actor=office, note="Won")

    assert (place(), standing(order)) == ("ticketed", ("paid", {"USD": Decimal("51.00")}))


@pytest.mark.parametrize(("verdict", "end"), [("lost", "refunded"), ("won", "paid"), ("warning_closed", "paid")])
def test_dispute_that_the_provider_decided_needs_nobody(order, verdict, end):
    receive(bodies.stripe_dispute(order), "stripe")

    receive(bodies.stripe_dispute(order, "closed", status=verdict), "stripe")

    assert (standing(order)[0], Payment.objects.filter(places.IS_WAITING).count()) == (end, 0)


# --- Parts ---------------------------------------------------------------------------------------------------


def test_full_refund_by_hand_settles_the_part_that_waited(order, office):
    refund(order, 1000)
    assert waiting().needs_review == "partial_refund"

    status.refund(order.pk, actor=office)

    assert (waiting().needs_review, waiting().amount_minor) == ("refund_due", 4100)
    assert standing(order) == ("refunded", {})


def test_refund_of_an_ignored_payment_needs_nobody(order, office):
    receive(bodies.stripe_session(order, id="cs_2", payment_intent="pi_2"), "stripe")
    review.ignore(waiting().pk, actor=office, note="The same once more")

    receive(bodies.stripe_refund(order, 5100, payment_intent="pi_2"), "stripe")

    assert not Payment.objects.filter(places.IS_WAITING).exists()
    assert standing(order)[0] == "paid"


# --- A refund by the office: its provider still has the money ---------------------------------------------------


def test_refund_by_the_office_waits_until_the_provider_has_made_it(order, office):
    status.refund(order.pk, actor=office)

    assert (waiting().needs_review, waiting().amount_minor, place()) == ("refund_due", 5100, "waiting for a person")

    refund(order, 2000)
    assert place() == "waiting for a person"
    refund(order, 3100, number=2)
    assert (place(), Payment.objects.filter(places.IS_WAITING).count()) == ("given back", 0)


def test_running_total_of_the_provider_settles_it_as_well(order, office):
    status.refund(order.pk, actor=office)

    receive(bodies.stripe_charge_refunded(order, 5100), "stripe")

    assert (place(), Payment.objects.filter(places.IS_WAITING).count()) == ("given back", 0)


def test_refund_by_the_office_is_noted_as_made_by_a_person_and_not_ignored(order, office):
    status.refund(order.pk, actor=office)
    with pytest.raises(Refused, match="neither ticket nor money"):
        review.ignore(waiting().pk, actor=office, note="Later")

    review.mark_refunded(waiting().pk, actor=office, note="In the dashboard")

    assert (place(), standing(order)) == ("given back", ("refunded", {}))


def test_refund_of_an_order_that_was_paid_by_hand_is_the_offices_own_affair(office):
    order = make_order()
    status.mark_paid(order.pk, actor=office)

    status.refund(order.pk, actor=office)

    assert not Payment.objects.exists()


# --- What a refund does not say ----------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [{"object": "refund", "currency": "eur"}, {"currency": "usdc"}], ids=str)
def test_refund_that_tells_nothing_usable_is_the_whole_rest_if_a_person_says_so(order, office, said):
    refund(order, 1000)
    receive(bodies.stripe_refund(order, 4100, **{"id": "re_2", **said}), "stripe")
    row = Payment.objects.get(reference="re_2")
    assert (row.needs_review, standing(order)[0]) == ("amount_mismatch", "paid")

    review.mark_refunded(row.pk, actor=office)

    assert standing(order) == ("refunded", {})


def test_refund_of_more_than_came_is_looked_at(order):
    refund(order, 6000)

    assert (waiting().needs_review, standing(order)) == ("amount_mismatch", ("refunded", {}))


def test_refund_that_came_first_is_met_by_any_of_its_names(office):
    order = make_order(quantity=2)
    parent = {"id": "in_1", "type": "Intent", "payment": {"id": "pa_1"}}
    receive(bodies.recurrente_refund(order, intentable=parent))

    receive(bodies.recurrente(order, id="pa_1"))

    assert (standing(order)[0], Payment.objects.filter(places.IS_WAITING).count()) == ("refunded", 0)


# --- The money as it came --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "balance"),
    [
        ({"amount_total": 5000}, {"USD": Decimal("50.00")}),
        ({"amount_total": 5200}, {"USD": Decimal("52.00")}),
        ({"amount_total": 40000, "currency": "gtq"}, {"GTQ": Decimal("400.00")}),
    ],
    ids=str,
)
def test_accepted_difference_is_earned_as_it_came_and_given_back_as_it_came(office, said, balance):
    order = make_order(quantity=2)
    receive(bodies.stripe_session(order, **said), "stripe")

    review.assign(waiting().pk, order.pk, actor=office, accept_difference=True)
    assert standing(order) == ("paid", balance)

    status.refund(order.pk, actor=office)
    assert standing(order) == ("refunded", {})


def test_difference_and_fee_of_an_order_marked_by_hand_are_booked_with_its_payment(office):
    order = make_order(quantity=2)
    status.mark_paid(order.pk, actor=office)
    receive(bodies.recurrente(order, amount_in_cents=5000))

    review.assign(waiting().pk, order.pk, actor=office, accept_difference=True)

    assert standing(order) == ("paid", {"USD": Decimal("50.00")})
    assert order.journal.get(kind="fee").amount == Decimal("-4.31")


def test_fee_that_the_second_notice_tells_is_booked_once():
    order = make_order(quantity=2)

    for fee in (None, 431, 431):
        receive(bodies.recurrente(order, fee_in_cents=fee, fee=None))

    assert [entry.amount for entry in order.journal.filter(kind="fee")] == [Decimal("-4.31")]
