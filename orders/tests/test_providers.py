"""Each provider's notices, from the signature to the order, with bodies as documented."""

import itertools
import json
import time
from decimal import Decimal

import pytest

from events.models import TicketTier
from homeproductions.mail.models import OutboxEmail
from orders.bookkeeping import differences
from orders.models import JournalEntry, Order, Payment, WebhookDelivery
from orders.providers import standard
from orders.services import checkin, review, status
from tests import provider_bodies as bodies
from tests.factories import make_order, make_user
from tests.processes import ROOT
from tests.signing import PATH, new_secret, paid_body, signed_headers

COMMON, RECURRENTE, STRIPE = new_secret(), new_secret(), "whsec_stripe_is_not_base64_!"
RECURRENTE_PATH = "/api/webhook/recurrente"


@pytest.fixture(autouse=True)
def secrets_configured(settings):
    settings.PAYMENT_WEBHOOK_SECRETS = [COMMON]
    settings.RECURRENTE_WEBHOOK_SECRETS = [RECURRENTE]
    settings.STRIPE_WEBHOOK_SECRETS = [STRIPE]


@pytest.fixture
def order(db):
    return make_order(status="pending", quantity=2)


@pytest.fixture
def send(api):
    """Deliver a body as its provider does. Returns what became of it."""

    def deliver(body, *, path=PATH, secret=RECURRENTE):
        is_stripe = b'"object": "event"' in body
        if is_stripe:
            headers = {"Stripe-Signature": bodies.stripe_signature(STRIPE, body)}
        else:
            headers = signed_headers(secret, body, prefix="svix")
        response = api.post(path, body, headers=headers)
        assert (response.status_code, response.json()["received"]) == (200, True)
        if path == RECURRENTE_PATH:
            assert response.json() == {"received": True}
        delivery = WebhookDelivery.objects.order_by("-received_at").first()
        return response.json().get("processed", delivery.status == "applied"), response.json().get("reason")

    return deliver


def state(order):
    order.refresh_from_db()
    return (
        order.status,
        OutboxEmail.objects.filter(email_type="ticket").count(),
        order.tier.__class__.objects.get().sold,
    )


def alerts():
    return OutboxEmail.objects.filter(email_type="staff_alert").count()


def refunded(order):
    rows = JournalEntry.objects.filter(order=order, kind="refund")
    return [-amount for amount in rows.order_by("created_at").values_list("amount", flat=True)]


# --- Recurrente ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [PATH, RECURRENTE_PATH])
@pytest.mark.parametrize(
    "event",
    ["payment_intent.succeeded", "intent.succeeded", "intent.paid", "bank_transfer_intent.succeeded"],
)
def test_recurrente_payment_pays_the_order(send, order, path, event):
    assert send(bodies.recurrente(order, event), path=path) == (True, None)

    assert state(order) == ("paid", 1, 2)
    payment = Payment.objects.get()
    assert (payment.provider, payment.checkout_reference) == ("recurrente", f"ch_{order.pk.hex[:8]}")
    assert JournalEntry.objects.get(kind="fee").amount == Decimal("-4.31")


def families(order):
    yield bodies.recurrente(order, "payment_intent.succeeded")
    yield bodies.recurrente(order, "intent.succeeded")
    yield bodies.recurrente_help_centre(order)
    yield bodies.recurrente(order, "intent.failed")


@pytest.mark.parametrize("sequence", list(itertools.permutations(range(4))), ids=str)
def test_all_events_of_one_recurrente_payment_count_once_in_any_order(send, order, sequence):
    several = list(families(order))

    answers = [send(several[number]) for number in sequence]

    assert answers == [(True, None)] * 4
    assert (state(order), Payment.objects.count(), alerts()) == (("paid", 1, 2), 1, 0)


def test_second_family_finishes_what_the_first_did_not_say(send, order):
    send(bodies.recurrente(order, checkout={"id": f"ch_{order.pk.hex[:8]}"}, customer={}, amount_in_cents=None))
    assert (state(order)[0], Payment.objects.get().needs_review) == ("pending", "unknown_order")

    assert send(bodies.recurrente(order, "intent.succeeded")) == (True, None)
    assert (state(order), Payment.objects.get().needs_review) == (("paid", 1, 2), "")


@pytest.mark.parametrize(
    "event",
    [
        "bank_transfer_intent.pending",
        "intent.pending",
        "intent.failed",
        "intent.canceled",
        "setup_intent.succeeded",
        "subscription.create",
        "payout.paid",
    ],
)
def test_what_is_not_paid_changes_nothing(send, order, event):
    send(bodies.recurrente(order, event))

    assert (state(order), Payment.objects.count(), alerts()) == (("pending", 0, 2), 0, 0)


def test_amount_of_unknown_unit_pays_only_when_it_fits_in_cents(send, order):
    assert send(bodies.recurrente_help_centre(order, amount=51)) == (False, "amount_mismatch")


def test_unknown_shape_is_kept_for_a_person(send, order):
    body = json.dumps({"hello": {"checkout": "ch_1"}}).encode()

    assert send(body) == (False, "unreadable: no event named")
    assert (Payment.objects.get().needs_review, alerts()) == ("unknown_order", 1)
    assert bytes(WebhookDelivery.objects.get().body) == body


def test_recurrente_without_a_secret_of_its_own_uses_the_common_one(send, order, settings):
    settings.RECURRENTE_WEBHOOK_SECRETS = []

    assert send(bodies.recurrente(order), secret=COMMON) == (True, None)
    assert Payment.objects.get().provider == "recurrente"


def test_generic_body_under_the_common_secret_is_not_taken_for_another_providers(send, order, settings):
    settings.RECURRENTE_WEBHOOK_SECRETS = []

    assert send(paid_body(order), secret=COMMON) == (True, None)
    assert Payment.objects.get().provider == "webhook"


def test_recurrente_route_verifies_and_is_not_there_without_a_secret(api, order, settings):
    body = bodies.recurrente(order)
    assert api.post(RECURRENTE_PATH, body, headers=signed_headers(COMMON, body)).status_code == 401
    settings.RECURRENTE_WEBHOOK_SECRETS = settings.PAYMENT_WEBHOOK_SECRETS = []
    assert api.post(RECURRENTE_PATH, body, headers=signed_headers(RECURRENTE, body)).status_code == 404
    assert WebhookDelivery.objects.count() == 0


def test_second_notice_of_a_payment_that_was_accepted_late_is_no_other_money(send, order):
    status.cancel(order.pk)
    send(bodies.stripe_session(order))
    review.accept_late(Payment.objects.get().pk, actor=make_user("admin"))

    named = {"metadata": {"order_id": order.order_number}}
    assert send(bodies.stripe_intent(order, **named)) == (True, None)
    assert (Payment.objects.count(), alerts()) == (1, 1)


# --- Stripe: signature ---------------------------------------------------------------------------------------


def stripe_attacks(body):
    good = bodies.stripe_signature(STRIPE, body)
    moment, signature = good.split(",")
    now = time.time()
    yield "empty", ""
    yield "no time", signature
    yield "no signature", moment
    yield "two times", f"{moment},{good}"
    yield "other time", f"t={int(now) - 1},{signature}"
    yield "time is text", f"t=soon,{signature}"
    yield "time in other digits", f"t=\u0661\u0667,{signature}"
    yield "old version only", good.replace("v1=", "v0=")
    yield "other key", bodies.stripe_signature("whsec_" + "x" * 32, body)
    yield "base64 of the key", bodies.stripe_signature(STRIPE.removeprefix("whsec_"), body)
    yield "not ascii", f"{moment},v1=ñandú"
    yield "too old", bodies.stripe_signature(STRIPE, body, at=now - 302)
    yield "too new", bodies.stripe_signature(STRIPE, body, at=now + 302)
    yield "endless time", f"t={'9' * 5000},{signature}"


@pytest.mark.parametrize("attack", [name for name, _ in stripe_attacks(b"{}")])
def test_forged_stripe_event_changes_nothing(api, order, attack):
    body = bodies.stripe_session(order)

    response = api.post(PATH, body, headers={"Stripe-Signature": dict(stripe_attacks(body))[attack]})

    assert (response.status_code, response.json()["code"]) == (401, "INVALID_SIGNATURE")
    assert (state(order)[0], WebhookDelivery.objects.count()) == ("pending", 0)


def test_changed_stripe_body_is_refused(api, order):
    body = bodies.stripe_session(order)
    headers = {"Stripe-Signature": bodies.stripe_signature(STRIPE, body)}

    assert api.post(PATH, body + b" ", headers=headers).status_code == 401


@pytest.mark.parametrize("seconds", [-298, 298])
def test_stripe_clock_may_differ_by_five_minutes(api, order, seconds):
    body = bodies.stripe_session(order)
    headers = {"Stripe-Signature": bodies.stripe_signature(STRIPE, body, at=time.time() + seconds)}

    assert api.post(PATH, body, headers=headers).status_code == 200


def test_one_of_several_stripe_signatures_and_secrets_is_enough(api, order, settings):
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_" + "n" * 32, STRIPE]
    body = bodies.stripe_session(order)
    headers = {"Stripe-Signature": f"{bodies.stripe_signature(STRIPE, body)},v1={'0' * 64},v0=abc"}

    assert api.post(PATH, body, headers=headers).json()["processed"] is True


def test_stripe_without_a_secret_is_not_there(api, order, settings):
    settings.STRIPE_WEBHOOK_SECRETS = []
    body = bodies.stripe_session(order)

    assert api.post(PATH, body, headers={"Stripe-Signature": bodies.stripe_signature(STRIPE, body)}).status_code == 404


# --- Stripe: events ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sequence", list(itertools.permutations(range(4))), ids=str)
def test_session_and_intent_of_one_stripe_payment_count_once_in_any_order(send, order, sequence):
    several = [
        bodies.stripe_session(order),
        bodies.stripe_intent(order),
        bodies.stripe_intent(order, "payment_failed"),
        bodies.stripe_session(order, "async_payment_succeeded"),
    ]

    for number in sequence:
        send(several[number])

    assert (state(order), Payment.objects.count()) == (("paid", 1, 2), 1)
    payment = Payment.objects.get()
    assert (payment.needs_review, payment.reference) == ("", f"pi_{order.pk.hex[:8]}")


def test_completed_session_that_is_not_paid_yet_changes_nothing(send, order):
    send(bodies.stripe_session(order, payment_status="unpaid"))
    assert (state(order)[0], Payment.objects.count()) == ("pending", 0)

    send(bodies.stripe_session(order, "async_payment_succeeded"))
    assert state(order)[0] == "paid"


@pytest.mark.parametrize("event", ["expired", "async_payment_failed"])
def test_failed_stripe_session_changes_nothing(send, order, event):
    send(bodies.stripe_session(order, event, payment_status="unpaid"))

    assert (state(order), Payment.objects.count()) == (("pending", 0, 2), 0)


def test_stripe_replay_is_known_by_the_events_id(send, order):
    body = bodies.stripe_session(order)

    assert [send(body), send(body)] == [(True, None)] * 2
    assert WebhookDelivery.objects.count() == 1


# --- Matching ------------------------------------------------------------------------------------------------


def unnamed(order, **changes):
    return paid_body(order, **{"metadata": {}, **changes})


def test_single_pending_order_of_the_same_guest_is_paid(send, order):
    assert send(unnamed(order, customer_email="LUCIA@Example.com"), secret=COMMON) == (True, None)
    assert state(order)[0] == "paid"


@pytest.mark.parametrize("change", [{"amount_in_cents": 5101}, {"currency": "GTQ"}, {"customer_email": "x@x.com"}])
def test_order_that_does_not_fit_in_every_respect_is_not_guessed(send, order, change):
    assert send(unnamed(order, **change), secret=COMMON) == (False, "no_order_id")
    assert (state(order)[0], Payment.objects.get().order) == ("pending", None)


@pytest.mark.parametrize("status", ["pending", "paid", "cancelled"])
def test_only_a_single_pending_order_is_paid_by_address(send, order, status):
    make_order(order.tier, status, quantity=2)

    paid, _ = send(unnamed(order), secret=COMMON)
    assert paid is (status != "pending")


def test_order_is_known_by_the_checkout_that_was_opened_for_it(send, order):
    Order.objects.update(checkout_provider="recurrente", checkout_reference="ch_own")

    body = bodies.recurrente(order, checkout={"id": "ch_own", "metadata": {}}, customer={})
    assert (send(body), state(order)[0]) == ((True, None), "paid")


def test_checkout_of_another_provider_proves_nothing(send, order):
    Order.objects.update(checkout_provider="stripe", checkout_reference="ch_own")

    body = bodies.recurrente(order, checkout={"id": "ch_own", "metadata": {}}, customer={})
    assert send(body) == (False, "no_order_id")


def test_name_that_contradicts_the_checkout_waits_for_a_person(send, order):
    Order.objects.update(checkout_provider="recurrente", checkout_reference="ch_own")
    other = make_order()

    body = bodies.recurrente(order, checkout={"id": "ch_own", "metadata": {"order_id": other.order_number}})
    assert send(body) == (False, "order_not_found")


# --- Refunds -------------------------------------------------------------------------------------------------


def test_full_refund_at_the_provider_refunds_the_order(send, order):
    send(bodies.recurrente(order, "intent.succeeded"))

    assert send(bodies.recurrente_refund(order)) == (True, None)

    order.refresh_from_db()
    refund = Payment.objects.get(kind="refund")
    assert (order.status, refund.order, refund.charge.reference) == ("refunded", order, f"in_{order.pk.hex[:8]}")
    assert (TicketTier.objects.get().sold, refunded(order), alerts()) == (0, [Decimal("51.00")], 0)
    assert OutboxEmail.objects.filter(email_type="ticket", status="pending").count() == 0


@pytest.mark.parametrize("provider", ["recurrente", "stripe"])
def test_refund_before_the_success_is_applied_when_that_arrives(send, order, provider):
    first, then = {
        "recurrente": (bodies.recurrente_refund(order), bodies.recurrente(order)),
        "stripe": (bodies.stripe_refund(order, 5100), bodies.stripe_session(order)),
    }[provider]

    assert send(first) == (False, "refund_before_payment")
    assert (state(order)[0], alerts()) == ("pending", 1)
    send(then)

    order.refresh_from_db()
    assert (order.status, TicketTier.objects.get().sold, refunded(order)) == ("refunded", 0, [Decimal("51.00")])
    assert not any(payment.is_waiting for payment in Payment.objects.all())
    assert OutboxEmail.objects.filter(email_type="ticket", status="pending").count() == 0


def test_refund_of_a_guest_inside_keeps_the_seats_and_tells_the_staff(send, order):
    send(bodies.recurrente(order))
    checkin.check_in(checkin.Scan(text=order.order_number, actor=make_user()))

    assert send(bodies.recurrente_refund(order)) == (False, "refund_after_check_in")
    assert (state(order)[0], TicketTier.objects.get().sold, alerts()) == ("refunded", 2, 1)


def test_partial_refund_leaves_the_order_paid_and_is_booked(send, order):
    send(bodies.recurrente(order))

    assert send(bodies.recurrente_refund(order, 1100)) == (False, "partial_refund")
    assert (state(order), refunded(order), alerts()) == (("paid", 1, 2), [Decimal("11.00")], 1)


def test_parts_add_up_to_a_full_refund(send, order):
    send(bodies.recurrente(order))
    for part in (1100, 2000, 2000):
        send(bodies.recurrente_refund(order, part))

    order.refresh_from_db()
    assert (order.status, TicketTier.objects.get().sold) == ("refunded", 0)
    assert refunded(order) == [Decimal("11.00"), Decimal("20.00"), Decimal("20.00")]
    assert [payment for payment in Payment.objects.all() if payment.is_waiting] == []


def test_staff_refund_after_a_part_books_only_the_rest(send, order, api):
    send(bodies.recurrente(order))
    send(bodies.recurrente_refund(order, 1100))
    status.refund(order.pk, actor=make_user("admin"))

    assert refunded(order) == [Decimal("11.00"), Decimal("40.00")]


def test_refund_that_staff_entered_already_is_not_booked_twice(send, order):
    send(bodies.recurrente(order))
    status.refund(order.pk)

    assert send(bodies.recurrente_refund(order)) == (True, None)
    assert (refunded(order), TicketTier.objects.get().sold, alerts()) == ([Decimal("51.00")], 0, 0)


@pytest.mark.parametrize("sequence", list(itertools.permutations(range(4))), ids=str)
def test_single_refunds_and_their_total_count_once_in_any_order(send, order, sequence):
    send(bodies.stripe_session(order))
    several = [
        bodies.stripe_refund(order, 2000, id="re_1"),
        bodies.stripe_refund(order, 1100, id="re_2"),
        bodies.stripe_charge_refunded(order, 2000),
        bodies.stripe_charge_refunded(order, 3100),
    ]

    for number in sequence:
        send(several[number])

    assert (state(order)[0], sum(refunded(order))) == ("paid", Decimal("31.00"))


STEPS = (("refund.created", "pending"), ("refund.failed", "failed"), ("refund.updated", "succeeded"))


@pytest.mark.parametrize("sequence", list(itertools.permutations(STEPS)), ids=str)
def test_refund_that_failed_is_told_to_a_person_and_its_success_from_before_is_none(send, order, sequence):
    """Whatever overtakes what: if it succeeded first, the order is refunded, and its guest is owed the money."""
    send(bodies.stripe_session(order))

    for event, step in sequence:
        send(bodies.stripe_refund(order, 5100, event=event, status=step, id="re_1"))

    is_late = [step for _, step in sequence].index("failed") < [step for _, step in sequence].index("succeeded")
    assert state(order)[0] == ("paid" if is_late else "refunded")
    refund = Payment.objects.get(kind="refund")
    assert (refund.needs_review, refund.is_waiting, alerts()) == ("refund_failed", True, 1)
    assert differences() == []


def test_refund_of_money_that_waited_settles_it(send, order):
    send(bodies.recurrente(order, amount_in_cents=1))
    send(bodies.recurrente_refund(order, 1))

    charge = Payment.objects.get(kind="charge")
    assert (charge.outcome, state(order)[0], refunded(order)) == ("refunded", "pending", [])


def test_refund_in_another_currency_waits_for_a_person(send, order):
    send(bodies.stripe_session(order))

    assert send(bodies.stripe_refund(order, 5100, currency="gtq")) == (False, "amount_mismatch")
    assert (state(order)[0], refunded(order)) == ("paid", [])


# --- Disputes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["recurrente", "stripe"])
def test_dispute_changes_no_order_and_is_mailed_once(send, order, provider):
    paid, opened, updated = {
        "recurrente": (
            bodies.recurrente(order),
            bodies.recurrente_dispute(order),
            bodies.recurrente_dispute(order, "dispute.update"),
        ),
        "stripe": (
            bodies.stripe_session(order),
            bodies.stripe_dispute(order),
            bodies.stripe_dispute(order, "updated"),
        ),
    }[provider]

    answers = [send(body) for body in (paid, opened, updated)]

    assert answers == [(True, None), (False, "dispute"), (False, "dispute")]
    dispute = Payment.objects.get(kind="dispute")
    assert (state(order)[0], dispute.order, dispute.needs_review, alerts()) == ("paid", order, "dispute", 1)


def test_generic_refunds_and_disputes_are_read_too(send, order):
    send(paid_body(order, id="pay_1"), secret=COMMON)
    said = {"payment_id": "pay_1", "amount_in_cents": 1000, "currency": "USD"}

    part = {"event": "payment.refunded", "refund_id": "re_1", **said}
    dispute = {"event": "payment.disputed", "dispute_id": "dp_1", **said}
    answers = [send(json.dumps(content).encode(), secret=COMMON) for content in (part, dispute)]

    assert answers == [(False, "partial_refund"), (False, "dispute")]
    assert (state(order)[0], refunded(order)) == ("paid", [Decimal("10.00")])


@pytest.mark.parametrize("event", ["checkout.completed", "payment.succeeded"])
def test_event_may_be_named_as_standard_webhooks_name_it(send, order, event):
    data = json.loads(paid_body(order))["data"]

    assert send(json.dumps({"type": event, "data": data}).encode(), secret=COMMON) == (True, None)

    assert state(order)[0] == "paid"


def test_refund_and_dispute_may_be_named_so_as_well(send, order):
    send(paid_body(order, payment_id="pay_1"), secret=COMMON)
    money = {"payment_id": "pay_1", "amount_in_cents": 1000, "currency": "USD"}

    part = {"type": "payment.refunded", "data": {"refund_id": "re_1", **money}}
    dispute = {"type": "payment.disputed", "data": {"dispute_id": "dp_1", **money}}
    answers = [send(json.dumps(content).encode(), secret=COMMON) for content in (part, dispute)]

    assert answers == [(False, "partial_refund"), (False, "dispute")]
    assert (state(order)[0], refunded(order)) == ("paid", [Decimal("10.00")])


@pytest.mark.parametrize(
    ("words", "becomes"),
    [
        ({"event": "payment.failed", "type": "payment.succeeded"}, "pending"),
        ({"type": "payment.failed"}, "pending"),
        ({"type": "customer.created"}, "pending"),
        # What something is, and not what happened: the state counts.
        ({"type": "account", "status": "paid"}, "paid"),
    ],
    ids=str,
)
def test_event_counts_before_type_and_only_where_it_is_one(send, order, words, becomes):
    data = json.loads(paid_body(order))["data"]

    send(json.dumps({**words, "data": data}).encode(), secret=COMMON)

    assert (state(order)[0], alerts()) == (becomes, 0)


# --- Words that nobody knows ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    ["payment_link.paid", "charge.succeeded", "intent.approved", "bank_transfer.succeeded", "subscription.paid"],
)
def test_recurrente_event_that_may_be_money_waits_for_a_person(send, order, event):
    assert send(bodies.recurrente(order, event)) == (False, "unclear_notice")

    payment = Payment.objects.get()
    assert (payment.order, payment.is_waiting, alerts(), state(order)[0]) == (order, True, 1, "pending")


@pytest.mark.parametrize(
    "words",
    [{"event": "payment.completed"}, {"event": "checkout.paid"}, {"status": "PAID"}, {"status": "approved"}, {}],
    ids=str,
)
def test_generic_notice_in_unknown_words_waits_for_a_person(send, order, words):
    money = {"order_id": order.order_number, "amount_in_cents": 5100, "currency": "USD", "payment_id": "pay_1"}

    assert send(json.dumps({**words, **money}).encode(), secret=COMMON) == (False, "unclear_notice")

    assert (Payment.objects.get().amount_text, alerts()) == ("51.00 USD", 1)


def test_clear_notice_of_the_same_payment_decides(send, order):
    send(bodies.recurrente(order, "intent.approved"))

    assert send(bodies.recurrente(order)) == (True, None)
    assert (state(order)[0], Payment.objects.get().needs_review) == ("paid", "")

    assert send(bodies.recurrente(order, "intent.approved")) == (True, None)


@pytest.mark.parametrize("currency", ["USDC", "USDX", "US", "$"])
def test_currency_that_is_none_is_not_cut_to_one(send, order, currency):
    assert send(bodies.recurrente(order, currency=currency)) == (False, "amount_mismatch")


def test_long_references_with_the_same_beginning_are_two_payments(send, order):
    for end in ("a", "b"):
        send(bodies.recurrente(order, id="pa_" + "x" * 300 + end, checkout={"id": f"ch_{end}", "metadata": {}}))

    assert Payment.objects.count() == 2


@pytest.mark.parametrize("is_first", [True, False])
def test_families_without_a_common_checkout_are_one_payment_by_the_id_that_both_name(send, order, is_first):
    number = {"metadata": {"order_id": order.order_number}}
    old = bodies.recurrente(order, id="pa_1", checkout=None, **number)
    new = bodies.recurrente(
        order, "intent.succeeded", id="in_1", checkout={"id": "ch_1", "payment": {"id": "pa_1"}}, **number
    )

    answers = [send(body) for body in ((old, new) if is_first else (new, old))]

    assert (answers, Payment.objects.count(), state(order)[0]) == ([(True, None)] * 2, 1, "paid")


def test_readme_names_every_word_that_is_understood():
    text = (ROOT / "README.md").read_text()
    events = standard.PAID_EVENTS | standard.FAILED_EVENTS | standard.PENDING_EVENTS | set(standard.TAKEN_BACK_EVENTS)
    states = standard.PAID_STATES | {*standard.FAILED_STATES} | standard.PENDING_STATES

    assert [word for word in sorted(events | states) if f"`{word}`" not in text] == []
