"""Money to look at: what speaks for which order, and the way from there to a decision."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from orders import queries
from orders.models import Order, Payment
from orders.services import box_office, status
from tests import provider_bodies as bodies
from tests.factories import make_order, make_tier, make_user
from tests.provider_bodies import receive


@pytest.fixture
def office(client, db):
    user = make_user("admin")
    client.force_login(user)
    return user


def stray(order, **changes):
    """A payment that names no order."""
    receive(bodies.recurrente(order, **{"checkout": {"id": f"ch_{uuid.uuid4()}"}, "customer": {}, **changes}))
    return Payment.objects.latest("created_at")


def page(client, payment, expected=200):
    response = client.get(f"/admin/orders/payment/{payment.pk}/change/")
    text = response.content.decode()
    assert response.status_code == expected
    assert "<script>" not in text
    assert " style=" not in text
    return text


def facts(client, payment):
    candidates = client.get(f"/admin/orders/payment/{payment.pk}/change/").context["candidates"]
    return {candidate.order.pk: (tuple(candidate.facts), candidate.label) for candidate in candidates}


def test_candidates_share_the_address_or_the_amount(client, office):
    both = make_order(quantity=2)
    twin = make_order(quantity=2)
    mail_only = make_order(quantity=1, status="cancelled")
    corrected = make_order(quantity=3, buyer_email="x@example.com", corrected_email="lucia@example.com")
    amount_only = make_order(quantity=2, buyer_email="ana@example.com")
    make_order(quantity=1, buyer_email="ana@example.com")
    make_order(quantity=2, buyer_email="ana@example.com", created_at=timezone.now() - timedelta(days=60))
    make_order(quantity=2, is_test=True)
    payment = stray(both, customer={"email": "LUCIA@example.com"})

    assert facts(client, payment) == {
        both.pk: (("same e-mail", "same amount"), "Assign"),
        twin.pk: (("same e-mail", "same amount"), "Assign"),
        mail_only.pk: (("same e-mail", "costs 25.50 USD"), "Accept as a new order"),
        corrected.pk: (("same e-mail", "costs 76.50 USD"), "Assign"),
        amount_only.pk: (("same amount",), "Look at the order"),
    }


def test_order_that_the_payment_names_comes_first(client, office):
    order = make_order(quantity=2)
    status.cancel(order.pk)
    make_order(quantity=2)
    receive(bodies.recurrente(order))
    payment = Payment.objects.get()

    assert queries.candidates(payment)[0] == order
    assert "the payment names it, same e-mail, same amount" in page(client, payment)


def test_candidates_that_most_speaks_for_come_first(client, office):
    amount = make_order(quantity=2, buyer_email="ana@example.com")
    address = make_order(quantity=1)
    both = make_order(quantity=2, buyer_email="typo@example.com", corrected_email="lucia@example.com")
    payment = stray(both, customer={"email": "lucia@example.com"})

    candidates = client.get(f"/admin/orders/payment/{payment.pk}/change/").context["candidates"]

    assert [candidate.order for candidate in candidates] == [both, address, amount]
    assert candidates[-1].url == f"/admin/orders/order/{amount.pk}/change/"


def test_order_with_other_money_is_no_place_for_this(client, office):
    order = make_order()
    receive(bodies.recurrente(order))
    receive(
        bodies.recurrente(order, id="pa_second", checkout={"id": "ch_2", "metadata": {"order_id": order.order_number}})
    )
    payment = Payment.objects.get(needs_review="double_payment")

    assert facts(client, payment)[order.pk][1] == ""
    assert "It is paid already, with other money." in page(client, payment)


def test_candidate_leads_to_its_prefilled_step(client, office):
    order = make_order(quantity=2, buyer_email="typo@example.com", corrected_email="lucia@example.com")
    payment = stray(order, customer={"email": "lucia@example.com"})
    link = f"/admin/orders/payment/{payment.pk}/do/assign/?order={order.order_number}"

    assert link in page(client, payment)
    form = client.get(link).content.decode()
    assert f'value="{order.order_number}"' in form
    assert "checked" not in client.get(f"{link}&accept_difference=on").content.decode()
    client.post(link, {"order": order.order_number})

    order.refresh_from_db()
    assert order.status == "paid"


def test_card_sale_at_the_door_takes_the_money_that_its_reader_reports(client, office):
    tier = make_tier()
    wish = box_office.Wish(event_id=tier.event_id, tier_id=tier.pk, quantity=2, email="ana@example.com")
    order = box_office.sell(wish, method="card", actor=office)
    payment = stray(order, customer={"email": "ana@example.com"})

    assert facts(client, payment) == {order.pk: (("same e-mail", "same amount"), "It is its money")}
    client.post(f"/admin/orders/payment/{payment.pk}/do/assign/", {"order": order.order_number})

    payment.refresh_from_db()
    assert (payment.outcome, payment.order) == ("assigned", order)


def test_page_shows_what_the_provider_wrote(client, office):
    payment = stray(make_order(quantity=2), amount_in_cents=4200, fee=12)

    text = page(client, payment)

    assert "<dt>Amount</dt><dd>42.00 USD</dd>" in text
    assert "<dt>Fee</dt><dd>0.12 USD</dd>" in text
    assert "&quot;api_version&quot;: &quot;2024-04-24&quot;" in text
    assert "Nobody knows what it was for." in text


def test_page_shows_what_nobody_can_read(client, office):
    receive(b'{"event_type": "payment_intent.succeeded", "amount_in_cents": "<b>'.ljust(90, b"x"))

    text = page(client, Payment.objects.get())

    assert "We could not read it." in text
    assert "&lt;b&gt;xxx" in text


def test_page_compares_the_amount_with_the_price(client, office):
    order = make_order(quantity=2)
    receive(bodies.recurrente(order, amount_in_cents=5000))

    assert "1.00 USD less than the 51.00 USD." in page(client, Payment.objects.get())


def test_money_that_is_none_pays_nothing(client, office):
    payment = stray(make_order(), amount_in_cents=-5)

    text = page(client, payment)

    assert payment.needs_review == "unclear_notice"
    assert "Orders it may be for" not in text
    assert "do/assign/" not in text
    assert "do/accept-late/" not in text


def test_step_says_what_accepting_an_unknown_amount_means(client, office):
    payment = stray(make_order(), amount_in_cents=None)

    text = client.get(f"/admin/orders/payment/{payment.pk}/do/assign/").content.decode()

    assert "by accepting a difference you say that the price came in full" in text


def given_back_says(client, payment):
    return client.get(f"/admin/orders/payment/{payment.pk}/do/mark-refunded/").context["lines"][-1]


def test_step_says_what_becomes_of_this_order_when_money_was_given_back(client, office):
    order = make_order(quantity=2)
    receive(bodies.recurrente(order))
    again = {"id": "pa_2", "checkout": {"id": "ch_2", "metadata": {"order_id": order.order_number}}}
    receive(bodies.recurrente(order, **again))
    receive(bodies.recurrente_refund(order, 1000))
    receive(bodies.recurrente_dispute(order))
    second, part = Payment.objects.get(needs_review="double_payment"), Payment.objects.get(kind="refund")
    dispute = Payment.objects.get(kind="dispute")

    assert given_back_says(client, second) == f"Order {order} stays as it is, paid."
    assert given_back_says(client, part) == f"Order {order} stays as it is, paid."
    assert given_back_says(client, dispute) == f"Order {order} is refunded by this: its ticket admits nobody any more."
    client.post(f"/admin/orders/payment/{dispute.pk}/do/mark-refunded/")
    order.refresh_from_db()
    assert order.status == "refunded"


def test_refund_that_is_owed_is_not_offered_to_be_ignored(client, office):
    order = make_order(quantity=2)
    receive(bodies.recurrente(order))
    status.refund(order.pk, actor=office)
    due = Payment.objects.get(needs_review="refund_due")

    assert "do/ignore/" not in page(client, due)


def test_settled_payment_has_no_candidates(client, office):
    receive(bodies.recurrente(make_order()))

    assert "Orders it may be for" not in page(client, Payment.objects.get())


def test_refund_is_shown_with_its_charge(client, office):
    order = make_order(quantity=2)
    receive(bodies.recurrente(order))
    receive(bodies.recurrente_refund(order, 1000))
    charge, refund = Payment.objects.get(kind="charge"), Payment.objects.get(kind="refund")

    assert f"/admin/orders/payment/{refund.pk}/change/" in page(client, charge)
    assert f"/admin/orders/payment/{charge.pk}/change/" in page(client, refund)


def test_money_to_look_at_lists_what_waits_the_longest_first(client, office):
    payments = [stray(make_order()) for _ in range(3)]
    for days, payment in enumerate(payments):
        Payment.objects.filter(pk=payment.pk).update(created_at=timezone.now() - timedelta(days=days))
    receive(bodies.recurrente(make_order()))

    response = client.get("/admin/money/", follow=True)

    assert list(response.context["cl"].result_list) == payments[::-1]
    text = response.content.decode()
    assert "<h1>Money to look at</h1>" in text
    assert '<a href="/admin/money/" aria-current="page">' in text
    assert '<a href="/admin/orders/payment/" aria-current="page">' not in text
    assert '<a href="/admin/money/">Money to look at</a> &rsaquo;' in page(client, payments[0])
    assert len(client.get("/admin/orders/payment/").context["cl"].result_list) == 4


def test_accepting_for_a_guest_without_an_address_says_to_show_the_ticket(client, office):
    order = make_order(quantity=2, buyer_email="")
    status.cancel(order.pk)
    receive(bodies.recurrente(order, customer={}))
    payment = Payment.objects.get()

    response = client.post(f"/admin/orders/payment/{payment.pk}/do/accept-late/", follow=True)

    assert "show its ticket to the guest" in response.content.decode()
    assert Order.objects.filter(status="paid").count() == 1


def test_money_is_for_the_office(client, db):
    payment = stray(make_order())
    client.force_login(make_user("staff"))

    assert client.get("/admin/money/").status_code == 403
    page(client, payment, expected=403)
    assert "Money to look at" not in client.get("/admin/orders/order/").content.decode()
    client.logout()
    assert client.get("/admin/money/").status_code == 302
