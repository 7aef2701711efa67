"""`manage.py forget`: afterwards nobody who searches a dump finds the person, and the books still agree."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, transaction

from audit.models import AuditLog
from homeproductions.mail.models import OutboxEmail
from homeproductions.privacy import people
from newsletter.models import Subscriber
from newsletter.services import subscribe
from orders import bookkeeping
from orders.models import IdempotencyKey, JournalEntry, Order, Payment, WebhookDelivery
from orders.services import deliveries
from tests import dumps
from tests import provider_bodies as bodies
from tests.factories import make_event, make_order, make_tier, make_user

from . import everywhere
from .everywhere import EMAIL, NAME, OTHER, TEXTS, scatter


def forget(email=EMAIL, **options):
    out = io.StringIO()
    call_command("forget", email, yes=True, stdout=out, **options)
    return out.getvalue()


def still_found():
    text = dumps.everything().lower()
    return [each for each in TEXTS if each.lower() in text]


@pytest.mark.django_db(transaction=True)
def test_a_dump_holds_neither_address_nor_name_nor_telephone_afterwards():
    scatter()
    # The control: all of it stands there, in bytes and sessions too.
    assert still_found() == [each for each in TEXTS if each != "49876543"]

    said = forget()

    assert still_found() == []
    assert "finds neither address, name nor telephone" in said


def test_orders_keep_money_seats_and_moments(db):
    house = scatter()
    before = everywhere.counts()
    money = list(JournalEntry.objects.order_by("pk").values())
    kept = ("order_number", "quantity", "total_price", "currency", "status", "qr_code_hash", "created_at")
    orders = list(Order.objects.order_by("pk").values(*kept))

    forget()

    assert everywhere.counts() == {**before, "Subscriber": 0}
    assert list(JournalEntry.objects.order_by("pk").values()) == money
    assert list(Order.objects.order_by("pk").values(*kept)) == orders
    assert bookkeeping.differences() == []
    house.order.refresh_from_db()
    assert (house.order.buyer_name, house.order.buyer_email, house.order.referral_source) == (
        "Forgotten guest",
        "",
        None,
    )
    assert house.order.forgotten_at is not None


def test_copies_made_in_place_of_an_order_are_found_without_the_corrected_address(db):
    house = scatter()
    assert house.copy.corrected_email is None

    forget()

    house.copy.refresh_from_db()
    assert house.copy.buyer_name == "Forgotten guest"


def test_nobody_else_is_touched(db):
    house = scatter()
    mariana = make_order(buyer_email="m" + EMAIL, buyer_name="Mariana")
    subscribe(email="m" + EMAIL)

    forget()

    house.other.refresh_from_db()
    mariana.refresh_from_db()
    assert (house.other.buyer_name, house.other.buyer_email) == (OTHER["buyer_name"], OTHER["buyer_email"])
    assert mariana.buyer_email == "m" + EMAIL
    assert Subscriber.objects.get().email == "m" + EMAIL
    assert OutboxEmail.objects.filter(recipient_email=OTHER["buyer_email"]).count() == 1


def test_no_mail_leaves_any_more_and_none_counts_as_failed(db):
    house = scatter()
    assert OutboxEmail.objects.filter(order=house.order, status="pending").exists()

    forget()

    mails = OutboxEmail.objects.filter(order__in=[house.order, house.typo, house.copy])
    assert set(mails.values_list("status", "recipient_email", "subject")) == {("failed", "", "")}
    assert not any(mail.has_failed for mail in mails)
    assert not IdempotencyKey.objects.filter(order=house.order).exists()


def test_the_audit_keeps_that_it_happened_by_order_numbers_and_a_keyed_hash(db):
    house = scatter()
    forget()

    row = AuditLog.objects.get(action="FORGET_PERSON")
    numbers = sorted(order.order_number for order in (house.order, house.typo, house.copy))
    assert row.new_value["orders"] == numbers
    assert row.new_value["person"] == people.pseudonym(EMAIL)
    assert EMAIL not in str(row.new_value)
    assert AuditLog.objects.filter(action="FORGET", entity_type="order").count() == 3
    assert "It was forgotten on" in forget()


def test_a_later_notice_of_the_same_payment_is_still_known(db):
    house = scatter()
    forget()
    before = Payment.objects.filter(kind="charge").count()

    bodies.receive(bodies.recurrente(house.order, "intent.succeeded"))
    result = bodies.receive(bodies.recurrente_refund(house.order))

    assert (result.processed, Payment.objects.filter(kind="charge").count()) == (False, before)
    assert result.reason == "refund_after_check_in"


# --- What stands against it --------------------------------------------------------------------------------------


def refused(email=EMAIL, **options):
    with pytest.raises(CommandError) as refusal:
        forget(email, **options)
    assert Order.objects.filter(buyer_name="Forgotten guest").count() == 0
    return str(refusal.value)


def test_a_ticket_for_a_night_to_come_is_refused_unless_even_open(db):
    order = make_order(status="paid", buyer_email=EMAIL)

    assert f"Order {order} is a ticket for a night to come" in refused()
    forget(even_open=True)

    order.refresh_from_db()
    assert (order.status, order.buyer_email) == ("paid", "")


def test_an_unpaid_order_is_refused_and_cancelled_with_even_open(db):
    tier = make_tier()
    order = make_order(tier=tier, quantity=2, buyer_email=EMAIL)

    assert f"Order {order} is not paid yet" in refused()
    forget(even_open=True)

    order.refresh_from_db()
    tier.refresh_from_db()
    assert (order.status, order.buyer_email, tier.sold) == ("cancelled", "", 0)


def test_money_that_waits_is_refused(db):
    order = make_order(status="cancelled", buyer_email=EMAIL)
    bodies.receive(bodies.recurrente(order))

    assert "the order was already cancelled" in refused()


def test_a_notice_that_is_not_applied_yet_is_refused(db):
    order = make_order(status="cancelled", buyer_email=EMAIL)
    deliveries.store_delivery(provider="webhook", event_id="e", body=bodies.recurrente(order), headers={})

    assert "not applied yet" in refused()


def test_a_paid_order_of_a_night_that_is_off_is_refused(db):
    order = make_order(tier=make_tier(event=make_event(status="cancelled")), status="paid", buyer_email=EMAIL)

    assert f"Order {order} is still paid although its night is off" in refused()


def test_staff_are_refused_in_words(db):
    assert "is the login of somebody of the staff" in refused(make_user("admin").email)


def test_the_address_of_the_house_is_refused(db):
    assert "the house's own address" in refused("info@homeproductions.art")


@pytest.mark.parametrize("text", ["", "nobody", "a@b@c", "two words@example.org"])
def test_what_is_no_address_is_refused(db, text):
    assert "is not an e-mail address" in refused(text)


def test_nobody_is_forgotten_without_a_yes(db):
    make_order(status="cancelled", buyer_email=EMAIL)

    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("forget", EMAIL, stdout=io.StringIO())

    assert Order.objects.get().buyer_email == EMAIL


@pytest.mark.parametrize("address", ["a@[127.0.0.1]", "a@localhost"])
def test_an_address_that_would_be_refused_today_is_forgotten_where_it_is_stored(db, address):
    with pytest.raises(CommandError, match="not an e-mail address"):
        forget(address)
    make_order(status="cancelled", buyer_email=address)

    forget(address)

    assert Order.objects.filter(buyer_email=address).count() == 0


def test_no_address_at_all_is_nobody(db):
    """Whoever paid at the door may have left none."""
    make_order(status="cancelled", buyer_email="", buyer_name=NAME)

    with pytest.raises(CommandError, match="not an e-mail address"):
        forget("")
    assert Order.objects.get().buyer_name == NAME


def test_an_unknown_address_is_no_error(db):
    assert "Nothing is known about" in forget("nobody@example.org")


def test_what_may_be_somebody_else_is_named_for_a_person_to_judge(db):
    make_order(status="cancelled", buyer_email=EMAIL, buyer_name=NAME)
    make_order(status="cancelled", buyer_email="home@example.net", buyer_name=NAME)

    assert "- orders.buyer_name: 1 row" in forget()


# --- The rules that it lifts -------------------------------------------------------------------------------------


def test_the_rules_hold_again_afterwards_even_in_the_same_transaction(db):
    house = scatter()
    forget()

    for rows in (Order.objects.filter(pk=house.other.pk), AuditLog.objects.all()):
        field = "buyer_name" if rows.model is Order else "action"
        with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
            rows.update(**{field: "changed"})


def test_all_or_nothing(db, monkeypatch):
    scatter()
    monkeypatch.setattr("homeproductions.privacy.forgetting._note", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        forget()

    assert Order.objects.filter(buyer_email=EMAIL).count() == 1
    assert WebhookDelivery.objects.exclude(forgotten_at=None).count() == 0
