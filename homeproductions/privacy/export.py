"""What a person may ask for: everything that is known about them, as JSON values."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils import timezone

from audit import services as audit
from audit.models import AuditLog
from homeproductions.mail.models import OutboxEmail
from newsletter.models import Subscriber
from orders.models import CheckIn, Order, Payment, RefusedScan, WebhookDelivery

from .people import Person, pseudonym

EXPORT_PERSON = "EXPORT_PERSON"
# Ids and names of our staff are theirs; hashes, marks and leases are about our machines and say nothing about a guest.
LEFT_OUT = {
    "payment_confirmed_by",
    "reviewed_by",
    "checked_in_by",
    "scanned_by",
    "user",
    "qr_code_hash",
    "code_version",
    "presented_hash",
    "nonce",
    "lease_until",
    "next_attempt_at",
    "context",
    "headers",
    "body",
}
STAFF = {"by": "staff", "ip_address": None, "user_agent": None}


@transaction.atomic
def export(person: Person) -> dict[str, Any]:
    """All rows about the person, nested as they belong together; that somebody asked is kept in the audit."""
    held = person.holdings
    orders = Order.objects.filter(pk__in=held.orders).select_related("event", "tier").order_by("created_at")
    history = AuditLog.objects.filter(entity_id__in=person.entities).order_by("created_at")
    found = {
        "email": person.email,
        "exported_at": timezone.now(),
        "orders": [_order(order) for order in orders],
        "payments": _rows(Payment.objects.filter(pk__in=held.payments).order_by("created_at")),
        "payment_notices": [_notice(each) for each in _all(WebhookDelivery, held.deliveries, "received_at")],
        "mails": _rows(_all(OutboxEmail, person.mails, "created_at")),
        "newsletter": _rows(_all(Subscriber, person.subscribers, "subscribed_at")),
        "history": [_moment(row) for row in history],
    }
    audit.record(EXPORT_PERSON, entity_type="person", new={"person": pseudonym(person.email)})
    return found


def _order(order: Order) -> dict[str, Any]:
    night = {"name": order.event.name, "date": order.event.event_date, "location": order.event.location}
    return {
        **_row(order),
        "event": night,
        "tier": order.tier.name,
        "let_in": _rows(CheckIn.objects.filter(order=order)),
        "turned_away": _rows(RefusedScan.objects.filter(order=order).order_by("scanned_at")),
    }


def _notice(delivery: WebhookDelivery) -> dict[str, Any]:
    """With what the provider told us about them, as it wrote it."""
    return {**_row(delivery), "body": bytes(delivery.body).decode(errors="replace")}


def _moment(row: AuditLog) -> dict[str, Any]:
    """`by`: somebody of the house, whose address is theirs, or else the person, a provider or this system."""
    return {**_row(row), **(STAFF if row.user_id else {"by": "guest or system"})}


def _all(model: type[Model], ids: Iterable[Any], order: str) -> QuerySet[Any]:
    return model._default_manager.filter(pk__in=ids).order_by(order)


def _rows(rows: Iterable[Model]) -> list[dict[str, Any]]:
    return [_row(row) for row in rows]


def _row(row: Model) -> dict[str, Any]:
    return {
        field.name: getattr(row, field.attname) for field in row._meta.concrete_fields if field.name not in LEFT_OUT
    }
