"""A guest may be called like a word of ours: forgetting them damages no history and no money, theirs or another's."""

import json
from dataclasses import replace

import pytest

from audit.models import AuditLog
from audit.services import record
from orders.models import Order, Payment, WebhookDelivery
from orders.providers.registry import BY_NAME
from orders.services import retention, status
from tests import provider_bodies as bodies
from tests.factories import make_order, make_user

from .test_retention import DAYS, SOON, paid, tier_of


@pytest.fixture(autouse=True)
def thirty_days(settings, db):
    settings.FORGET_GUESTS_AFTER_DAYS = DAYS


WORDS = ("status", "payment", "currency", "admitted", "pending", "cancelled", "forgotten", "2 days", "recurrente")


def written_about(order):
    """What the system itself keeps of an order: its history, its money, and what its notice says of that."""
    history = AuditLog.objects.filter(entity_id=order.pk).exclude(action="FORGET").order_by("created_at")
    notice = bytes(WebhookDelivery.objects.get(payments__order=order).body)
    [said] = BY_NAME["recurrente"].notices(notice)
    facts = ("status", "payment_provider", "payment_reference", "payment_method")
    money = ("reference", "checkout_reference", "amount_minor", "currency")
    return [
        list(history.values_list("action", "old_value", "new_value")),
        Order.objects.values(*facts).get(pk=order.pk),
        Payment.objects.values(*money).get(order=order),
        replace(said, payer_email=""),
    ]


def let_in(order):
    record("CHECKIN", order, new={"admitted": 1})
    record("CHECKIN", order, old={"admitted": 1}, new={"admitted": 2})


@pytest.mark.parametrize("own", [True, False], ids=["their own", "of somebody else"])
def test_names_that_are_words_of_ours_damage_no_history_and_no_money(own, client):
    tier = tier_of(DAYS + 1)
    guests = [paid(tier, buyer_name=word, buyer_phone="261123") for word in WORDS]
    berta = paid(tier, buyer_name="Berta Morales", buyer_email="berta@example.org", order_number="HP-261123-BERT")
    looked_at = guests if own else [berta]
    for order in looked_at:
        let_in(order)
    before = [written_about(order) for order in looked_at]

    assert retention.forget_old(within=SOON) == len(WORDS) + 1

    assert [written_about(order) for order in looked_at] == before
    client.force_login(make_user("superadmin"))
    pages = [client.get(f"/admin/orders/order/{order.pk}/change/") for order in looked_at]
    assert {page.status_code for page in pages} == {200}
    assert all("Guest forgotten" in page.content.decode() for page in pages)


def test_what_was_typed_about_a_guest_is_emptied_by_their_own_name_only():
    tier = tier_of(DAYS + 1)
    ana, berta = (
        make_order(tier=tier, status="cancelled", buyer_name=name, buyer_email=f"{name[:3]}@example.org")
        for name in ("Ana Pérez", "Berta Morales")
    )
    for order in (ana, berta):
        AuditLog.objects.create(
            action="NOTE", entity_id=order.pk, new_value={"note": "Ana Pérez called", "status": "paid"}
        )

    retention.forget_old(within=SOON)

    notes = {row.entity_id: row.new_value for row in AuditLog.objects.filter(action="NOTE")}
    assert notes[ana.pk] == {"note": "(forgotten)", "status": "paid"}
    assert notes[berta.pk] == {"note": "Ana Pérez called", "status": "paid"}


def test_a_reference_that_the_house_typed_goes_with_a_name_and_one_that_a_provider_gave_stays():
    tier, office = tier_of(DAYS + 1), make_user("admin")
    by_hand, told = (make_order(tier=tier, buyer_phone="87654321") for _ in range(2))
    status.mark_paid(by_hand.pk, actor=office, reference="transfer of 8765 4321")
    bodies.receive(json.dumps(json.loads(bodies.recurrente(told)) | {"id": "pa-87654321"}).encode())
    assert Order.objects.get(pk=told.pk).payment_reference == "pa-87654321"

    retention.forget_old(within=SOON)

    kept = [Order.objects.get(pk=order.pk).payment_reference for order in (by_hand, told)]
    assert kept == [None, "pa-87654321"]
