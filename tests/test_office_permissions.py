"""Every address of the office, tried by everybody: what each role gets is written here, and an address that stands
nowhere in these tables fails the test."""

import re

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import get_resolver

from audit.models import AuditLog
from gallery.models import Gallery
from homeproductions.mail.models import OutboxEmail
from newsletter.models import Subscriber
from orders.models import CheckIn, JournalEntry, Payment, RefusedScan, WebhookDelivery
from tests.factories import make_order, make_user

ROLES = ("staff", "admin", "superadmin")
NOBODY, SUPER, OFFICE, ALL = set(), {"superadmin"}, {"admin", "superadmin"}, set(ROLES)

# Who sees the list and the rows of a model, and who may make new ones by a form of Django's own.
MODELS = {
    "accounts_user": (SUPER, NOBODY),
    "audit_auditlog": (OFFICE, NOBODY),
    "constance_config": (SUPER, NOBODY),
    "events_event": (ALL, OFFICE),
    "gallery_gallery": (OFFICE, OFFICE),
    "mail_outboxemail": (OFFICE, NOBODY),
    "newsletter_subscriber": (OFFICE, NOBODY),
    "orders_checkin": (ALL, NOBODY),
    "orders_journalentry": (OFFICE, NOBODY),
    "orders_order": (ALL, NOBODY),
    "orders_payment": (OFFICE, NOBODY),
    "orders_refusedscan": (OFFICE, NOBODY),
    "orders_webhookdelivery": (OFFICE, NOBODY),
}
# Steps that others may take than those of the office.
STEPS = {("orders_order", "check-in"): ALL, "accounts_user": SUPER}
PAGES = {
    "index": ALL,
    "jsi18n": ALL,
    "password_change": ALL,
    "password_change_done": ALL,
    "autocomplete": NOBODY,  # without saying for which field
    "door-lists": ALL,
    "door-list": ALL,
    "door-list-csv": ALL,
    "door-list-xlsx": ALL,
    "money": OFFICE,
    "exports": OFFICE,
    "orders_order_ticket": OFFICE,
    "events_event_permit": OFFICE,
    "gallery_gallery_pictures": OFFICE,
    "gallery_gallery_add_picture": OFFICE,
    "gallery_gallery_permit": OFFICE,
    "newsletter_subscriber_import": OFFICE,
    "mail_outboxemail_preview": OFFICE,
    "mail_outboxemail_preview_html": OFFICE,
}
# The way in and out, and Django's own detours to other addresses.
OPEN = {"login", "logout", "set-password", "app_list", "-"}
VIEWS = ("list_step", "step", "changelist", "add", "history", "delete", "change")


def routes(patterns=None, prefix=""):
    for pattern in patterns or get_resolver().url_patterns:
        route = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from routes(pattern.url_patterns, route)
        elif route.startswith("admin/"):
            yield route, pattern.name or "-"


def steps_of(name):
    """(step, is of a row) of the screen whose addresses begin so."""
    model = next(m for m in admin.site._registry if f"{m._meta.app_label}_{m._meta.model_name}" == name)
    screen = admin.site._registry[model]
    return [*((step.name, True) for step in screen.steps), *((step.name, False) for step in screen.list_steps)]


def addresses(rows):
    """(address, who may) of everything that is there."""
    for route, name in routes():
        if name in OPEN:  # tried elsewhere
            continue
        view = "" if name in PAGES else next(f"_{each}" for each in VIEWS if name.endswith(f"_{each}"))
        model = next((each for each in MODELS if name.startswith(each)), "")
        filled = fill(route, rows, model)
        if not view:
            yield filled, PAGES[name]
        elif view.endswith("step"):
            yield from (
                (filled.replace("STEP", step), who_takes(model, step))
                for step, of_row in steps_of(model)
                if of_row == (view == "_step")
            )
        else:
            sees, makes = MODELS[model]
            yield filled, {"_add": makes, "_delete": NOBODY}.get(view, sees)


def who_takes(model, step):
    return STEPS.get((model, step), STEPS.get(model, OFFICE))


def fill(route, rows, model):
    event_id, row = rows["events_event"], rows.get(model, "")
    values = {"event_id": event_id, "order_id": rows["orders_order"], "email_id": rows["mail_outboxemail"]}
    values |= {"object_id": row, "name": "STEP"}
    return "/" + re.sub(r"<\w+:(\w+)>", lambda match: str(values[match.group(1)]), route)


@pytest.fixture
def rows(db):
    """One row of everything, by the beginning of its addresses."""
    order = make_order(status="paid")
    mail = OutboxEmail.objects.create(email_type="ticket", order=order, recipient_email="a@example.com")
    made = {
        "accounts_user": make_user("staff"),
        "audit_auditlog": AuditLog.objects.create(action="LOGIN", entity_type="user"),
        "events_event": order.event,
        "gallery_gallery": Gallery.objects.create(title="Album"),
        "mail_outboxemail": mail,
        "newsletter_subscriber": Subscriber.objects.create(email="b@example.com"),
        "orders_checkin": CheckIn.objects.create(order=make_order(status="paid"), admitted=1),
        "orders_journalentry": JournalEntry.objects.first(),
        "orders_order": order,
        "orders_payment": Payment.objects.create(provider="webhook", reference="p", needs_review="unknown_order"),
        "orders_refusedscan": RefusedScan.objects.create(),
        "orders_webhookdelivery": WebhookDelivery.objects.create(provider="webhook", event_id="e", body=b"{}"),
    }
    return {"constance_config": "1", **{name: row.pk for name, row in made.items()}}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_gets_what_it_may_and_nothing_else(rows, role):
    client = Client()
    client.force_login(make_user(role))
    wrong = []
    for address, who in addresses(rows):
        for method in (client.get, client.post):
            status = method(address).status_code
            assert status < 500, (address, status)
            # 405: the address takes only the other method. An empty form may be refused to anybody.
            is_wrong = status == 403 if role in who and method == client.get else status != 403 and role not in who
            if is_wrong and status != 405:
                wrong.append((method.__name__, address, status))
    assert wrong == []


def test_nobody_gets_anywhere_without_signing_in(rows):
    for address, _ in addresses(rows):
        for method in (Client().get, Client().post):
            response = method(address)
            assert (response.status_code, response["Location"].partition("?")[0]) == (302, "/admin/login/"), address


def test_account_that_was_sent_away_gets_nowhere(rows):
    user = make_user("superadmin")
    client = Client()
    client.force_login(user)
    type(user).objects.filter(pk=user.pk).update(is_active=False)

    assert client.get("/admin/").status_code == 302
