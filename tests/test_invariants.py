"""What must always hold is held by the database itself: each rule is attacked here with raw SQL."""

import pytest
from django.db import IntegrityError, InternalError, ProgrammingError, connection, transaction
from django.utils import timezone

from audit.services import record
from homeproductions.mail.models import OutboxEmail
from orders.models import CheckIn, Order, Payment, WebhookDelivery
from orders.models.orders import FROZEN_FIELDS
from tests.factories import make_event, make_order, make_tier, make_user

pytestmark = pytest.mark.django_db

REFUSED = (IntegrityError, InternalError, ProgrammingError)


def execute(sql: str, *parameters: object) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.rowcount


def assert_refused(rule: str, sql: str, *parameters: object) -> None:
    with pytest.raises(REFUSED, match=rule):
        execute(sql, *parameters)


def test_tier_cannot_sell_more_than_it_has():
    tier = make_tier(quantity=10)

    assert_refused("tier_sold_not_exceed_quantity", "UPDATE ticket_tiers SET sold = 11 WHERE id = %s", tier.pk)
    assert execute("UPDATE ticket_tiers SET sold = 10 WHERE id = %s", tier.pk) == 1


def test_tier_quantity_cannot_fall_below_sold():
    tier = make_tier(quantity=10, sold=4)

    assert_refused("tier_sold_not_exceed_quantity", "UPDATE ticket_tiers SET quantity = 3 WHERE id = %s", tier.pk)


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("tier_sold_not_negative", "sold = -1"),
        ("tier_price_not_negative", "price = -0.01"),
        ("tier_max_per_order_positive", "max_per_order = 0"),
        ("tier_currency_code", "currency = 'usd'"),
    ],
)
def test_tier_columns_are_bounded(rule, change):
    assert_refused(rule, f"UPDATE ticket_tiers SET {change} WHERE id = %s", make_tier().pk)


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("event_status_known", "status = 'on'"),
        ("event_type_known", "event_type = 'rave'"),
        ("event_min_age_not_negative", "min_age = -1"),
    ],
)
def test_event_columns_are_bounded(rule, change):
    assert_refused(rule, f"UPDATE events SET {change} WHERE id = %s", make_event().pk)


@pytest.mark.parametrize(
    ("change", "raised"),
    [
        ("status = 'draft'", 1),
        ("event_date = event_date + 1", 1),
        ("event_time = '23:30'", 1),
        ("name = 'Other', status = status", 0),
    ],
)
def test_tiers_are_told_when_the_night_changes(change, raised):
    tiers = [make_tier(), make_tier()]
    tiers.append(make_tier(tiers[0].event))

    execute(f"UPDATE events SET {change} WHERE id = %s", tiers[0].event_id)

    for tier in tiers:
        tier.refresh_from_db()
    assert [tier.night_version for tier in tiers] == [raised, 0, raised]


FROZEN_VALUES = {
    "id": "gen_random_uuid()",
    "replaces": "gen_random_uuid()",
    "event": "gen_random_uuid()",
    "tier": "gen_random_uuid()",
    "quantity": "quantity + 1",
    "unit_price": "unit_price + 1",
    "total_price": "total_price + 1",
    "currency": "'GTQ'",
    "is_test": "NOT is_test",
    "created_at": "created_at - interval '1 day'",
    "ip_address": "'192.0.2.1'",
}


@pytest.mark.parametrize("field", FROZEN_FIELDS)
def test_order_content_never_changes(field):
    column = Order._meta.get_field(field).column
    value = FROZEN_VALUES.get(field, "'changed'")

    assert_refused("Cannot update", f"UPDATE orders SET {column} = {value} WHERE id = %s", make_order().pk)


def test_order_payment_and_code_columns_stay_writable():
    order = make_order()

    sql = "UPDATE orders SET payment_reference = 'x', qr_code_hash = 'y', code_version = 2, hold_expires_at = now()"
    assert execute(f"{sql} WHERE id = %s", order.pk) == 1


LEGAL = {("pending", "paid"), ("pending", "cancelled"), ("paid", "refunded")}


@pytest.mark.parametrize("before", Order.Status.values)
@pytest.mark.parametrize("after", Order.Status.values)
def test_order_status_moves_only_along_the_graph(before, after):
    order = make_order(status=before)
    sql = "UPDATE orders SET status = %s WHERE id = %s"

    if before == after or (before, after) in LEGAL:
        assert execute(sql, after, order.pk) == 1
    else:
        assert_refused("Invalid transition", sql, after, order.pk)


def test_order_cannot_be_born_paid():
    order = make_order()
    columns = ", ".join(field.column for field in Order._meta.concrete_fields)
    copy = columns.replace("order_number", "'HP-OTHER'").replace("qr_code_hash", "'other'").replace("status", "'paid'")
    copy = "gen_random_uuid()" + copy.removeprefix("id")

    assert_refused("Cannot insert", f"INSERT INTO orders ({columns}) SELECT {copy} FROM orders WHERE id = %s", order.pk)


def test_order_cannot_be_deleted():
    assert_refused("Cannot delete", "DELETE FROM orders WHERE id = %s", make_order().pk)


def test_order_admits_once():
    order = make_order(status="paid")
    CheckIn.objects.create(order=order, admitted=1)

    with pytest.raises(IntegrityError, match="unique_order_checkin"), transaction.atomic():
        CheckIn.objects.create(order=order, admitted=1)


def test_checkin_cannot_admit_more_people_than_tickets():
    order = make_order(status="paid", quantity=2)

    with pytest.raises(IntegrityError, match="checkin_within_order"), transaction.atomic():
        CheckIn.objects.create(order=order, admitted=3)
    CheckIn.objects.create(order=order, admitted=2)
    assert_refused("checkin_within_order", "UPDATE checkins SET admitted = 3 WHERE order_id = %s", order.pk)


def test_checkin_admits_somebody():
    with pytest.raises(IntegrityError, match="checkin_admits_somebody"), transaction.atomic():
        CheckIn.objects.create(order=make_order(status="paid"), admitted=0)


def test_provider_reference_pays_once():
    Payment.objects.create(provider="webhook", reference="pay_1")

    with pytest.raises(IntegrityError, match="unique_payment_per_reference"), transaction.atomic():
        Payment.objects.create(provider="webhook", reference="pay_1")


def test_provider_checkout_pays_once():
    Payment.objects.create(provider="recurrente", reference="pa_1", checkout_reference="ch_1")

    with pytest.raises(IntegrityError, match="unique_payment_per_checkout"), transaction.atomic():
        Payment.objects.create(provider="recurrente", reference="in_1", checkout_reference="ch_1")


def test_provider_event_is_delivered_once():
    WebhookDelivery.objects.create(provider="webhook", event_id="msg_1", body=b"{}")

    with pytest.raises(IntegrityError, match="unique_delivery_per_provider_event"), transaction.atomic():
        WebhookDelivery.objects.create(provider="webhook", event_id="msg_1", body=b"{}")


def outbox(order: Order, **fields: object) -> OutboxEmail:
    defaults = {"email_type": "ticket", "recipient_email": "lucia@example.com", "subject": "Your ticket"}
    with transaction.atomic():
        return OutboxEmail.objects.create(order=order, **{**defaults, **fields})


@pytest.mark.parametrize("status", ["pending", "processing"])
def test_order_has_one_open_ticket_mail(status):
    order = make_order(status="paid")
    outbox(order, status="sent")
    outbox(order, status=status)

    with pytest.raises(IntegrityError, match="unique_open_email_per_order_and_type"):
        outbox(order)


def test_mail_is_tried_five_times_at_most():
    mail = outbox(make_order(status="paid"))

    assert_refused("email_attempts_bounded", "UPDATE email_outbox SET attempts = 6 WHERE id = %s", mail.pk)


@pytest.mark.parametrize("attack", ["UPDATE audit_logs SET action = 'NOTHING'", "DELETE FROM audit_logs"])
def test_audit_only_grows(attack):
    record("LOGIN", make_user())

    assert_refused("Cannot (update|delete)", attack)


def test_user_address_is_lower_case_and_role_known():
    user = make_user()

    assert_refused("user_email_lower_case", "UPDATE users SET email = 'Ana@Example.com' WHERE id = %s", user.pk)
    assert_refused("user_role_known", "UPDATE users SET role = 'owner' WHERE id = %s", user.pk)


def test_refresh_token_expires_after_it_was_made():
    user = make_user()

    assert_refused(
        "refresh_token_expires_later",
        "INSERT INTO refresh_tokens (id, user_id, family, token_hash, expires_at) "
        "VALUES (gen_random_uuid(), %s, gen_random_uuid(), 'x', now() - interval '1 s')",
        user.pk,
    )


@pytest.mark.parametrize("table", ["users", "events", "ticket_tiers", "orders", "galleries"])
def test_updated_at_is_stamped_by_the_database(table):
    make_order()
    make_user()
    execute("INSERT INTO galleries (id, title, is_published) VALUES (gen_random_uuid(), 'Night', false)")

    execute(f"UPDATE {table} SET updated_at = '2020-01-01'")

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT min(updated_at) FROM {table}")
        assert (timezone.now() - cursor.fetchone()[0]).total_seconds() < 60


SEED_TABLES = {
    "users",
    "refresh_tokens",
    "events",
    "ticket_tiers",
    "orders",
    "checkins",
    "email_outbox",
    "galleries",
    "gallery_images",
    "newsletter_subscribers",
    "audit_logs",
}


def test_tables_have_the_names_other_tools_know():
    assert set(connection.introspection.table_names()) >= SEED_TABLES
