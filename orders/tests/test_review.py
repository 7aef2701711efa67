"""Money that waits for a person, and the four things a person can do with it: in the service, the API and the admin."""

import uuid
from decimal import Decimal

import pytest

from audit.models import AuditLog
from events.models import Event, TicketTier
from homeproductions.errors import Refused
from homeproductions.mail.models import OutboxEmail
from homeproductions.mail.registry import render
from orders.bookkeeping import differences
from orders.models import JournalEntry, Order, Payment
from orders.services import review, status
from tests import provider_bodies as bodies
from tests.factories import bearer, make_order, make_tier, make_user
from tests.provider_bodies import receive

PATH = "/api/admin/payments"


@pytest.fixture
def office(db):
    return make_user("admin")


def late(**changes):
    """A payment that came after its order of two seats was cancelled."""
    order = make_order(make_tier(quantity=2), status="pending", quantity=2, buyer_phone="+502 5555 5555")
    status.cancel(order.pk)
    receive(bodies.recurrente(order, **changes))
    return Payment.objects.get(kind="charge", order=order)


def paid_by_provider():
    order = make_order()
    receive(bodies.recurrente(order))
    return Payment.objects.get(order=order)


def unknown(order, **changes):
    receive(bodies.recurrente(order, checkout={"id": "ch_1"}, customer={}, **changes))
    return Payment.objects.get(checkout_reference="ch_1")


def tickets():
    return OutboxEmail.objects.filter(email_type="ticket").count()


def refusal(function, *args, **kwargs):
    with pytest.raises(Refused) as refused:
        function(*args, **kwargs)
    return refused.value.code


# --- Service -------------------------------------------------------------------------------------------------


def test_late_payment_becomes_a_new_paid_order(office):
    payment = late()
    old = payment.order

    order = review.accept_late(payment.pk, actor=office)

    payment.refresh_from_db()
    old.refresh_from_db()
    assert (old.status, order.status, order.order_number != old.order_number) == ("cancelled", "paid", True)
    assert (order.buyer_email, order.buyer_phone, order.quantity, order.total_price) == (
        old.buyer_email,
        old.buyer_phone,
        2,
        Decimal("51.00"),
    )
    assert (payment.order, payment.outcome, payment.reviewed_by) == (order, "accepted_late", office)
    assert (TicketTier.objects.get().sold, OutboxEmail.objects.get(email_type="ticket").order) == (2, order)
    kinds = JournalEntry.objects.filter(order=order).order_by("kind").values_list("kind", flat=True)
    assert list(kinds) == ["fee", "reserved", "sale"]
    assert AuditLog.objects.get(action="PAYMENT_REVIEW").new_value == {
        "outcome": "accepted_late",
        "order": str(order.pk),
    }


def test_late_payment_is_accepted_once(office):
    payment = late()
    review.accept_late(payment.pk, actor=office)

    assert refusal(review.accept_late, payment.pk, actor=office) == "ALREADY_REVIEWED"
    assert (Order.objects.count(), tickets()) == (2, 1)


def test_late_payment_is_not_accepted_without_seats(office):
    payment = late()
    make_order(payment.order.tier, quantity=1)

    assert refusal(review.accept_late, payment.pk, actor=office) == "SOLD_OUT"
    payment.refresh_from_db()
    assert (payment.is_waiting, Order.objects.count(), TicketTier.objects.get().sold) == (True, 2, 1)


def test_late_payment_of_another_amount_needs_a_second_word(office):
    payment = late(amount_in_cents=5000)

    assert refusal(review.accept_late, payment.pk, actor=office) == "AMOUNT_DIFFERS"
    assert review.accept_late(payment.pk, actor=office, accept_difference=True).status == "paid"


def test_late_payment_that_names_no_order_is_accepted_for_the_one_a_person_names(office):
    order = make_order(status="cancelled", quantity=2)
    payment = unknown(order)

    assert refusal(review.accept_late, payment.pk, actor=office) == "WRONG_PAYMENT_KIND"
    accepted = review.accept_late(payment.pk, actor=office, order_id=order.pk)

    order.refresh_from_db()
    payment.refresh_from_db()
    assert (accepted.status, order.status, payment.order, payment.outcome) == (
        "paid",
        "cancelled",
        accepted,
        "accepted_late",
    )
    assert differences() == []


def test_wrong_amount_is_accepted_also_after_its_order_was_closed(office):
    order = make_order(quantity=2)
    receive(bodies.recurrente(order, amount_in_cents=5000))
    status.cancel(order.pk)
    payment = Payment.objects.get()

    assert payment.needs_review == "amount_mismatch"
    assert review.accept_late(payment.pk, actor=office, accept_difference=True).status == "paid"


@pytest.mark.parametrize("state", ["pending", "paid"])
def test_payment_is_not_accepted_late_for_an_order_that_is_alive(office, state):
    order = make_order(status=state)
    payment = unknown(order)

    assert refusal(review.accept_late, payment.pk, actor=office, order_id=order.pk) == "WRONG_PAYMENT_KIND"


def test_payment_for_a_night_that_is_off_waits_and_mails_no_ticket(office):
    order = make_order()
    type(order.event).objects.update(status="cancelled")

    receive(bodies.recurrente(order))

    order.refresh_from_db()
    assert (order.status, Payment.objects.get().needs_review, tickets()) == ("pending", "late_payment", 0)


def test_late_payment_is_not_accepted_for_a_night_that_is_off(office):
    payment = late()
    event = payment.order.event
    event.status = "cancelled"
    event.save()

    assert refusal(review.accept_late, payment.pk, actor=office) == "EVENT_NOT_ACTIVE"


def test_refund_of_an_accepted_late_payment_refunds_the_new_order(office):
    payment = late()
    old = payment.order
    order = review.accept_late(payment.pk, actor=office)

    receive(bodies.recurrente_refund(old))

    order.refresh_from_db()
    assert (order.status, TicketTier.objects.get().sold) == ("refunded", 0)


def test_unknown_payment_is_assigned_to_its_order(office):
    order = make_order(quantity=2)
    payment = unknown(order)

    review.assign(payment.pk, order.pk, actor=office, note="She showed the receipt")

    order.refresh_from_db()
    payment.refresh_from_db()
    assert (order.status, order.payment_reference, payment.outcome, tickets()) == (
        "paid",
        payment.reference,
        "assigned",
        1,
    )
    assert refusal(review.assign, payment.pk, order.pk, actor=office) == "ALREADY_REVIEWED"


def test_difference_is_assigned_only_when_accepted(office):
    order = make_order(quantity=2)
    payment = unknown(order, amount_in_cents=5000)

    assert refusal(review.assign, payment.pk, order.pk, actor=office) == "AMOUNT_DIFFERS"
    review.assign(payment.pk, order.pk, actor=office, accept_difference=True)
    order.refresh_from_db()
    assert order.status == "paid"


@pytest.mark.parametrize("state", ["paid", "cancelled", "refunded"])
def test_payment_is_not_assigned_to_an_order_that_cannot_take_it(office, state):
    order = make_order(status=state)

    assert refusal(review.assign, unknown(order).pk, order.pk, actor=office) == "ORDER_NOT_PENDING"


def test_payment_of_an_order_that_was_marked_paid_by_hand_is_its_money(office):
    order = make_order(quantity=2)
    status.mark_paid(order.pk, actor=office)
    receive(bodies.recurrente(order))
    payment = Payment.objects.get()
    assert payment.needs_review == "double_payment"

    review.assign(payment.pk, order.pk, actor=office)

    assert (tickets(), JournalEntry.objects.filter(kind="sale").count()) == (1, 1)
    receive(bodies.recurrente_refund(order))
    order.refresh_from_db()
    assert order.status == "refunded"


def test_partial_refund_from_before_is_booked_with_the_assignment(office):
    order = make_order(quantity=2)
    payment = unknown(order)
    receive(
        bodies.recurrente_refund(
            order, 1000, intentable={"id": payment.reference, "type": "PaymentIntent", "checkout": {"id": "ch_1"}}
        )
    )

    review.assign(payment.pk, order.pk, actor=office)

    assert JournalEntry.objects.get(kind="refund").amount == Decimal("-10.00")


def test_noted_refund_and_ignored_payment_leave_the_list(office):
    first, second = late(), unknown(make_order())

    review.mark_refunded(first.pk, actor=office, note="Given back in the dashboard")
    assert refusal(review.ignore, second.pk, actor=office, note="  ") == "MISSING_REQUIRED_FIELDS"
    review.ignore(second.pk, actor=office, note="A test of the provider")

    outcomes = Payment.objects.order_by("created_at").values_list("outcome", "outcome_note")
    assert list(outcomes) == [
        ("refunded", "Given back in the dashboard"),
        ("ignored", "A test of the provider"),
    ]


@pytest.mark.parametrize("changes", [{}, {"amount_in_cents": 1}], ids=["late", "amount"])
def test_money_of_a_guest_is_not_ignored(office, changes):
    payment = late(**changes)

    assert refusal(review.ignore, payment.pk, actor=office, note="because") == "WRONG_PAYMENT_KIND"


def test_second_late_payment_is_a_double_one_and_not_accepted(office):
    first = late()
    old = first.order
    review.accept_late(first.pk, actor=office)

    receive(bodies.recurrente(old, id="pa_2", checkout={"id": "ch_2", "metadata": {"order_id": old.order_number}}))
    second = Payment.objects.get(checkout_reference="ch_2")

    assert second.needs_review == "double_payment"
    assert refusal(review.accept_late, second.pk, actor=office) == "ORDER_NOT_PENDING"
    assert tickets() == 1


@pytest.mark.parametrize("amount", [-5, 0])
def test_amount_that_is_no_money_is_unclear_and_pays_no_order(office, amount):
    order = make_order()
    receive(bodies.recurrente(order, amount_in_cents=amount))
    payment = Payment.objects.get()

    assert payment.needs_review == "unclear_notice"
    for decide in (review.assign, review.accept_late):
        arguments = {"order_id": order.pk, "actor": office, "accept_difference": True}
        assert refusal(decide, payment.pk, **arguments) == "WRONG_PAYMENT_KIND"
    order.refresh_from_db()
    assert (order.status, differences()) == ("pending", [])


def test_amount_that_was_no_money_is_corrected_by_a_clear_notice(office):
    order = make_order()
    receive(bodies.recurrente(order, amount_in_cents=0))
    receive(bodies.recurrente(order))

    order.refresh_from_db()
    assert (order.status, Payment.objects.get().needs_review) == ("paid", "")


def test_second_payment_is_not_assigned_to_the_order_it_came_too_much_for(office):
    order = make_order()
    receive(bodies.recurrente(order))
    again = {"id": "pa_2", "checkout": {"id": "ch_2", "metadata": {"order_id": order.order_number}}}
    receive(bodies.recurrente(order, **again))
    second = Payment.objects.get(needs_review="double_payment")

    with pytest.raises(Refused, match="paid already, with other money"):
        review.assign(second.pk, order.pk, actor=office)


def test_payment_is_not_assigned_when_the_night_is_off(office):
    order = make_order()
    payment = unknown(order)
    Event.objects.update(status="cancelled")

    assert refusal(review.assign, payment.pk, order.pk, actor=office) == "ORDER_NOT_PENDING"
    assert tickets() == 0


def test_refund_cannot_pay_an_order(office):
    order = make_order()
    receive(bodies.recurrente_refund(order))
    refund = Payment.objects.get()

    assert refusal(review.assign, refund.pk, order.pk, actor=office) == "WRONG_PAYMENT_KIND"
    assert refusal(review.mark_refunded, refund.pk, actor=office) == "WRONG_PAYMENT_KIND"


# --- Mail to the staff ---------------------------------------------------------------------------------------


def alert():
    message = render(OutboxEmail.objects.get(email_type="staff_alert"))
    return message.body + str(message.alternatives[0].content)


def test_alert_names_the_order_and_the_money_but_not_the_guest(office):
    payment = late()

    text = alert()
    assert payment.order.order_number in text
    assert "51.00 USD" in text
    assert f"/admin/orders/payment/{payment.pk}/change/" in text
    assert not any(word in text for word in ("lucia@example.com", "Lucía", "5555"))


def test_alert_of_a_dispute_says_until_when(office):
    order = make_order(quantity=2)
    receive(bodies.recurrente(order))
    receive(bodies.recurrente_dispute(order))

    assert "answer it by" in alert().lower()


def test_alert_goes_to_the_address_of_the_setting(office):
    from constance import config

    config.staff_alert_email = "till@example.com"
    late()

    assert OutboxEmail.objects.get(email_type="staff_alert").recipient_email == "till@example.com"


# --- API -----------------------------------------------------------------------------------------------------


def test_api_lists_what_waits(api, office, django_assert_max_num_queries):
    waiting = late()
    receive(bodies.recurrente(make_order()))

    with django_assert_max_num_queries(4):
        answer = api.get(f"{PATH}?needsReview=true", headers=bearer(office)).json()

    assert (answer["count"], answer["total"], answer["payments"][0]["id"]) == (1, 1, str(waiting.pk))
    shown = answer["payments"][0]
    assert (shown["amount"], shown["needsReview"], shown["orderNumber"]) == (
        51,
        "late_payment",
        waiting.order.order_number,
    )
    everything = api.get(PATH, headers=bearer(office)).json()["payments"]
    assert [payment["isWaiting"] for payment in everything] == [True, False]


def test_pages_go_from_what_waits_to_the_newest(api, office):
    settled = [paid_by_provider() for _ in range(3)]
    waiting = [late() for _ in range(2)]
    expected = [str(payment.pk) for payment in [*waiting, *reversed(settled)]]

    def page(query):
        answer = api.get(f"{PATH}?{query}", headers=bearer(office)).json()
        return [payment["id"] for payment in answer["payments"]], answer["total"]

    for limit in (1, 2, 3, 5, 9):
        for offset in range(7):
            query = f"limit={limit}&offset={offset}"
            assert (query, page(query)) == (query, (expected[offset : offset + limit], 5))


def test_api_does_all_four(api, office):
    order, headers = make_order(quantity=2), bearer(office)
    made = [
        (f"{late().pk}/accept-late", {}),
        (f"{unknown(order).pk}/assign", {"orderId": order.order_number}),
    ]
    for number, path in enumerate(("mark-refunded", "ignore")):
        payment = Payment.objects.create(provider="x", reference=str(number), needs_review="unknown_order")
        made.append((f"{payment.pk}/{path}", {"note": "It was given back"}))

    answers = [api.post(f"{PATH}/{path}", body, headers=headers) for path, body in made]

    outcomes = [(answer.status_code, answer.json()["payment"]["outcome"]) for answer in answers]
    assert outcomes == [(200, "accepted_late"), (200, "assigned"), (200, "refunded"), (200, "ignored")]


@pytest.mark.parametrize("action", ["assign", "accept-late", "mark-refunded", "ignore"])
def test_api_is_for_the_office(api, action):
    body = {"orderId": "HP-1", "note": "x"}
    missing = f"{PATH}/{uuid.uuid4()}/{action}"

    assert api.post(missing, body, headers=bearer()).status_code == 403
    assert api.post(missing, body).status_code == 401
    answer = api.post(missing, body, headers=bearer(make_user("admin")))
    assert (answer.status_code, answer.json()["code"]) == (404, "PAYMENT_NOT_FOUND")


def test_list_is_for_the_office(api):
    assert (api.get(PATH).status_code, api.get(PATH, headers=bearer()).status_code) == (401, 403)


# --- Admin ---------------------------------------------------------------------------------------------------


def page(client, address):
    response = client.get(address)
    text = response.content.decode()
    assert response.status_code == 200
    assert "<script>" not in text
    assert " style=" not in text
    return text


def test_admin_accepts_a_late_payment_in_one_action(client, office):
    payment = late()
    client.force_login(office)

    listed = page(client, "/admin/orders/payment/?waiting=1")
    assert payment.order.order_number in listed
    assert "Waiting for a person: Yes" in listed
    assert "/static/office/office.css" in listed
    decide = f"/admin/orders/payment/{payment.pk}/do/accept-late/"
    assert decide in page(client, f"/admin/orders/payment/{payment.pk}/change/")
    assert "51.00 USD" in page(client, decide)
    assert Order.objects.count() == 1  # looking decides nothing
    response = client.post(decide)

    assert (response.status_code, Order.objects.filter(status="paid").count(), tickets()) == (302, 1, 1)
    assert client.post(decide).status_code == 302
    assert Order.objects.count() == 2


def test_admin_says_why_not(client, office):
    payment = unknown(make_order(), amount_in_cents=1)
    other = make_order()
    client.force_login(office)
    decide = f"/admin/orders/payment/{payment.pk}/do/assign/"

    answer = client.post(decide, {"order": other.order_number}).content.decode()
    assert "The payment is 0.01 USD" in answer
    assert "There is no order" in client.post(decide, {"order": "HP-NONE"}).content.decode()
    client.post(f"/admin/orders/payment/{payment.pk}/do/ignore/", {"note": "A test"})
    payment.refresh_from_db()
    assert payment.outcome == "ignored"


def test_admin_evidence_cannot_be_edited_and_is_for_the_office(client, office):
    payment = late()
    paths = ["/admin/orders/payment/", f"/admin/orders/payment/{payment.pk}/do/ignore/"]
    client.force_login(make_user("staff"))
    assert [client.get(path).status_code for path in paths] == [403, 403]
    assert client.post(paths[1], {"note": "x"}).status_code == 403

    client.force_login(office)
    assert client.post(f"/admin/orders/payment/{payment.pk}/change/", {"provider": "x"}).status_code == 403
    assert client.post(f"/admin/orders/payment/{payment.pk}/delete/", {"post": "yes"}).status_code == 403
    assert "recurrente" in page(client, f"/admin/orders/webhookdelivery/{payment.delivery_id}/change/")
