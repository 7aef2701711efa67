"""Something of everything, so that an attack meets rows and not empty lists; and hostile texts in all of it."""

from datetime import timedelta

import pgtrigger
from django.apps import apps
from django.contrib import admin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from accounts.services import staff
from accounts.services.passwords import LINK_TOKENS
from audit.services import record
from gallery.models import Gallery, GalleryImage
from homeproductions.mail.models import EmailKind, OutboxEmail
from newsletter import links as newsletter_links
from newsletter import services as newsletter
from newsletter.models import Subscriber
from orders import links, mails
from orders.models import CheckIn, Order, Payment, RefusedScan, WebhookDelivery
from tests import provider_bodies as bodies
from tests.factories import make_event, make_order, make_tier, make_user

OURS = ("accounts", "audit", "events", "gallery", "mail", "newsletter", "orders")
# They hold what this system made itself, or what the database takes in one form only.
NOT_FREE = {"password", "token_hash", "qr_code_hash", "presented_hash", "currency", "email", "slug", "ip_address"}
NOT_FREE |= {
    "order_number",
    "email_type",
    "recipient_email",
    "buyer_email",
    "corrected_email",
    "provider",
    "entity_type",
    "role",
}
EMAIL = "lucia@example.com"


class Season:
    """A night with its tiers, orders of every state, money, mails, scans, an album, readers and staff."""

    def __init__(self) -> None:
        self.actor = make_user("superadmin")
        self.event = make_event(slug="luna-llena", artists=["A", "B"], description="One\nTwo", main_artist="C")
        self.tier = make_tier(self.event, description="x", payment_link="https://pay.example/x")
        buyer = {"buyer_phone": "+502 5555 1111", "buyer_country": "GT", "referral_source": "radio"}
        self.orders = {state: make_order(self.tier, state, **buyer) for state in Order.Status.values}
        self.order = self.orders["paid"]
        self._money()
        self._door()
        self._album()
        self._readers()
        self._mail()
        record("UPDATE", self.event, actor=self.actor, old={"name": "x"}, new={"name": "y"})

    def _money(self) -> None:
        bodies.receive(bodies.stripe_session(self.orders["cancelled"]), "stripe")
        self.payment = Payment.objects.get()
        what = {"amount_minor": 500, "currency": "USD", "needs_review": "unknown_order"}
        self.stray = Payment.objects.create(provider="stripe", reference="pi_stray", **what)
        WebhookDelivery.objects.create(provider="webhook", event_id="m1", body=b"{", status="failed", reason="x")

    def _door(self) -> None:
        inside = make_order(self.tier, "paid")
        self.checkin = CheckIn.objects.create(order=inside, admitted=1, device_info="x", notes="x", location_info="x")
        self.scan = RefusedScan.objects.create(order=self.order, code="NOT_PAID", presented_hash="0" * 64)

    def _album(self) -> None:
        picture = {"image_url": "https://pictures.example/1.jpg", "caption": "x"}
        self.album = Gallery.objects.create(title="Album", event=self.event, is_published=True, photographer="x")
        self.image = GalleryImage.objects.create(gallery=self.album, cloudinary_public_id="x/y", **picture)

    def _readers(self) -> None:
        newsletter.subscribe(email=EMAIL)
        self.subscriber = Subscriber.objects.get()

    def _mail(self) -> None:
        """One of each kind, in the state in which it is wanted."""
        off = make_order(make_tier(make_event(status="cancelled")), "paid")
        mails.queue_ticket(self.order)
        mails.queue_refunded(self.orders["refunded"])
        mails.queue_event_off(off)
        alone = make_order(self.tier, "cancelled")
        mails.queue_hold_expired(alone)
        mails.received(self.orders["pending"]).save()
        invited = staff.invite(email="eva@example.com", name="Eva", role="staff", actor=self.actor)
        Subscriber.objects.filter(pk=self.subscriber.pk).update(is_active=True)
        newsletter.ask_to_unsubscribe(email=EMAIL)
        for kind, context in ((EmailKind.TEST, {}), (EmailKind.STAFF_RESET, {"user": str(invited.pk)})):
            OutboxEmail.objects.create(email_type=kind, recipient_email=EMAIL, subject="x", context=context)

    def values(self, template: str) -> dict[str, str]:
        """What the places of a path stand for: rows that are there, and words that lead somewhere."""
        token = LINK_TOKENS.make_token(self.actor)
        if template.startswith("/orders/"):
            token = links.token_of(self.order)
        elif template.startswith("/newsletter/"):
            token = self._reader_token(template)
        known = {"token": token, "user_id": self.actor.pk, "email_id": OutboxEmail.objects.first().pk}
        known |= {"event_id": self.event.pk, "order_id": self.order.pk, "number": self.order.order_number}
        known |= {"app_label": "orders", "url": "nothing", "name": "edit", "reference": self._row(template)}
        known["object_id"] = known["reference"]
        return {name: str(value) for name, value in known.items()}

    def _reader_token(self, template: str) -> str:
        if "confirm" in template:
            url = newsletter_links.confirm_url(self.subscriber.pk, self.subscriber.subscribed_at)
        else:
            url = newsletter_links.unsubscribe_url(self.subscriber.pk)
        return url.rstrip("/").rpartition("/")[2]

    def _row(self, template: str) -> object:
        of_api = {"events": self.event, "orders": self.order, "payments": self.payment, "gallery": self.album}
        for name, row in of_api.items():
            if template.startswith(("/api/", "/api/admin/")) and f"/{name}/" in template:
                return row.pk
        for model in admin.site._registry:
            is_its = template.startswith(f"/admin/{model._meta.app_label}/{model._meta.model_name}/")
            if is_its and hasattr(model, "_default_manager"):
                row = model._default_manager.first()
                return row.pk if row else "none"
        return "none"


def steps_of(template: str) -> list[str]:
    """The names of all steps of the screen that this page (`.../do/{name}/`) belongs to."""
    for model, screen in admin.site._registry.items():
        if template.startswith(f"/admin/{model._meta.app_label}/{model._meta.model_name}/"):
            steps = screen.steps if "{object_id}" in template else screen.list_steps
            return [step.name for step in steps]
    return []


# --- Hostile texts ----------------------------------------------------------------------------------------------


def plant(text: str) -> int:
    """Write the text into every column that may hold anybody's text, past all forms and triggers. Returns how many."""
    planted = 0
    with pgtrigger.ignore():
        for model in apps.get_models():
            if model._meta.app_label in OURS and model._meta.managed and not model._meta.proxy:
                planted += sum(_plant(model, field, text) for field in model._meta.concrete_fields)
    return planted


def _plant(model: type[models.Model], field: models.Field, text: str) -> int:
    if field.name in NOT_FREE or field.choices or field.primary_key or field.is_relation:
        return 0
    rows = model._default_manager.all()
    if isinstance(field, ArrayField):
        return rows.update(**{field.name: [text]}) and 1
    if not isinstance(field, models.CharField | models.TextField):
        return 0
    return sum(_write(rows, field, row.pk, text) for row in rows) and 1


def _write(rows: models.QuerySet, field: models.Field, pk: object, text: str) -> int:
    mark = str(pk).replace("-", "")[:8] if field.unique or field.name == "event_id" or "reference" in field.name else ""
    address = "https://x.example/" if field.name.endswith(("url", "_link")) else ""
    whole = f"{address}{mark}{text}"
    return rows.filter(pk=pk).update(**{field.name: whole[: getattr(field, "max_length", None) or None]})


def plant_address(address: str) -> None:
    """Write it wherever the address of a guest stands."""
    with pgtrigger.ignore():
        Order.objects.update(buyer_email=address, corrected_email=address)
        OutboxEmail.objects.update(recipient_email=address)
        Subscriber.objects.update(email=address)
        Payment.objects.update(payer_email=address)


def due_long_ago() -> None:
    OutboxEmail.objects.update(next_attempt_at=timezone.now() - timedelta(minutes=1))
