"""A guest who left traces wherever this system keeps any, and somebody else who did much the same."""

import json
from datetime import timedelta
from types import SimpleNamespace

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from audit.models import AuditLog
from audit.services import record
from homeproductions.mail import services as outbox
from homeproductions.mail.models import OutboxEmail
from newsletter.models import Subscriber
from newsletter.services import subscribe
from orders.models import CheckIn, Order, Payment, RefusedScan, WebhookDelivery
from orders.services import deliveries, idempotency, status
from tests import provider_bodies as bodies
from tests.factories import make_event, make_order, make_tier, make_user

EMAIL = "ximena.quezada+vip@example.org"
TYPO = "ximena.quezada+vip@exmaple.org"
NAME = "Ximena Quezadá"
PHONE = "+502 4987 6543"
IP = "198.51.100.77"
AGENT = "Ximena's phone"
# Whatever a search of a dump might be made for.
TEXTS = [EMAIL, TYPO, "Quezadá", "Quezad\\u00e1", "quezada", PHONE, "49876543", IP, AGENT, "Spain"]
OTHER = {"buyer_name": "Berta Morales", "buyer_email": "berta@example.org", "buyer_phone": "+502 1111 2222"}

BUYER = {
    "buyer_name": NAME,
    "buyer_phone": PHONE,
    "buyer_country": "Spain",
    "buyer_nationality": "Spain",
    "ip_address": IP,
    "user_agent": AGENT,
}


def past_tier(days: int = 3):
    event = make_event(event_date=timezone.localdate() - timedelta(days=days))
    return make_tier(event=event)


def make_guest(email=EMAIL, tier=None, **buyer):
    """A paid order of a night that is over, its payment by webhook, its mails, scans and history."""
    tier = tier or past_tier()
    buyer = {**BUYER, "buyer_email": email, **buyer}
    order = make_order(tier=tier, checkout_url="https://pay.example/" + email, **buyer)
    notice = json.loads(bodies.recurrente(order))
    notice["customer"] |= {"full_name": buyer["buyer_name"], "phone": buyer["buyer_phone"], "email": email}
    bodies.receive(json.dumps(notice).encode())
    order.refresh_from_db()
    assert order.status == "paid"
    CheckIn.objects.create(order=order, admitted=1, device_info=AGENT, notes=f"{buyer['buyer_name']} lost a coat")
    RefusedScan.objects.create(order=order, code="NOT_PAID", presented_hash="0" * 64, device_info=AGENT)
    idempotency.claim(idempotency.Attempt.of(f"key {order.pk}", {"email": email}), order.pk)
    return order


def scatter() -> SimpleNamespace:
    """The guest everywhere. Returns what a test wants to look at."""
    staff = make_user("admin")
    order = make_guest(referral_source=f"friend {EMAIL}")
    typo = make_guest(email=TYPO)
    status.resend_ticket(typo.pk, actor=staff, address=EMAIL)
    copy = make_guest(email=TYPO, tier=typo.tier, replaces=typo)
    _unlinked_notice(order)
    other = _paid_for_somebody_else()
    _money_of_nobody(staff)
    _mails(order)
    _office(staff, order)
    subscribe(email=EMAIL)
    return SimpleNamespace(order=order, typo=typo, copy=copy, other=other, staff=staff)


def _unlinked_notice(order):
    """Of a payment that never came, signed all the same."""
    body = bodies.recurrente(order, "payment_intent.failed", customer={"full_name": NAME, "email": EMAIL})
    delivery = deliveries.store_delivery(
        provider="recurrente", event_id="failed", body=body, headers={"svix-id": EMAIL}
    )
    deliveries.apply_delivery(delivery.pk)


def _paid_for_somebody_else():
    other = make_order(tier=past_tier(), **OTHER)
    bodies.receive(bodies.stripe_session(other, customer_details={"email": EMAIL, "name": NAME}), "stripe")
    return other


def _money_of_nobody(staff):
    """A charge that nobody could place, and what somebody noted about it."""
    payment = Payment.objects.create(
        provider="stripe",
        reference="pi_nobody",
        amount_minor=100,
        currency="USD",
        payer_email=EMAIL.upper(),
        needs_review="unknown_order",
        outcome="ignored",
        outcome_note=f"{NAME} called from {PHONE}",
        reviewed_at=timezone.now(),
        reviewed_by=staff,
    )
    record("PAYMENT_REVIEW", payment, actor=staff, new={"note": f"{NAME} called"})


def _mails(order):
    outbox.queue("reminder", order=order, recipient=EMAIL, subject=f"Dear {NAME}", context={"phone": PHONE})
    OutboxEmail.objects.create(
        email_type="newsletter_confirmation",
        recipient_email=EMAIL,
        subject="x",
        status="failed",
        error_message=f"550 {EMAIL}",
    )


def _office(staff, order):
    """What the office left behind, and what older versions of this system may have written."""
    AuditLog.objects.create(action="CREATE", entity_type="order", entity_id=order.pk, ip_address=IP, user_agent=AGENT)
    record("STATUS_CHANGE", order, actor=staff, old={"buyer": {"name": NAME, "email": EMAIL}})
    record("EXPORT", entity_type="orders", actor=staff, new={"search": EMAIL})
    kind = ContentType.objects.get_for_model(Order)
    LogEntry.objects.create(
        user=staff,
        content_type=kind,
        object_id=str(order.pk),
        object_repr=EMAIL,
        action_flag=CHANGE,
        change_message=NAME,
    )
    session = SessionStore()
    session["_messages"] = f"The ticket is on its way to {EMAIL}"
    session.create()


def counts() -> dict[str, int]:
    tables = (Order, Payment, WebhookDelivery, CheckIn, RefusedScan, OutboxEmail, Subscriber)
    return {model.__name__: model.objects.count() for model in tables}
