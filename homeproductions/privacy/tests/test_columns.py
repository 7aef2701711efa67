"""Every column that can hold words is looked at once: does it say something about a guest, and who empties it then?

Whoever adds a column decides here, and in `forgetting`, what becomes of it.
"""

from django.db import connection

from homeproductions.privacy.remains import COLUMNS, READABLE

# Emptied when its guest is forgotten; `scatter` in everywhere.py fills most of them.
ABOUT_GUESTS = {
    "audit_logs": "old_value new_value ip_address user_agent",
    "checkins": "device_info location_info notes nonce",
    "django_admin_log": "object_repr change_message",
    "django_session": "session_key session_data",
    "email_outbox": "recipient_email subject error_message context",
    "idempotency_keys": "key_hash body_hash first_status",
    "newsletter_subscribers": "email source",
    "orders": "buyer_name buyer_email buyer_phone corrected_email buyer_country buyer_nationality ip_address user_agent"
    " checkout_url qr_code_url referral_source payment_method payment_reference",
    "payments": "payer_email outcome_note",
    "rate_limit_counters": "key",
    "refused_scans": "device_info nonce",
    "webhook_deliveries": "body headers",
}
# Ids, words of our own, money, staff, and what the house publishes. What of it may name a guest all the same (a
# caption, a description), `forget` finds in its last search and names.
NOT_ABOUT_GUESTS = {
    "audit_logs": "action entity_type",
    "auth_group": "name",
    "auth_permission": "name codename",
    "cancellations": "paid_orders",
    "constance_constance": "key value",
    "django_admin_log": "object_id",
    "django_content_type": "app_label model",
    "django_migrations": "app name",
    "email_outbox": "email_type status",
    "events": "name slug location venue description event_type main_artist artists image_url cloudinary_public_id"
    " status metadata",
    "galleries": "title description photographer cover_image_url",
    "gallery_images": "image_url thumbnail_url caption cloudinary_public_id",
    "journal": "kind currency",
    "orders": "order_number currency status payment_provider qr_code_hash checkout_provider checkout_reference",
    "payments": "provider reference checkout_reference currency needs_review kind outcome",
    "refresh_tokens": "token_hash ip_address user_agent",
    "refused_scans": "code presented_hash",
    "ticket_tiers": "name description currency payment_link",
    "users": "email password_hash name role",
    "webhook_deliveries": "provider event_id status reason",
    "worker_heartbeat": "worker",
}


def places(known):
    return {(table, column) for table, columns in known.items() for column in columns.split()}


def test_somebody_has_decided_about_every_column_that_can_hold_words(db):
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS, [list(READABLE)])
        there = {(table, column) for table, column, _ in cursor.fetchall()}

    assert there - places(ABOUT_GUESTS) - places(NOT_ABOUT_GUESTS) == set()
    assert (places(ABOUT_GUESTS) | places(NOT_ABOUT_GUESTS)) - there == set()
    assert places(ABOUT_GUESTS) & places(NOT_ABOUT_GUESTS) == set()
