"""`manage.py forget` takes what it said it had found, and nothing of anybody else or of what came meanwhile."""

import io

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from audit.models import AuditLog
from homeproductions.mail import services as outbox
from homeproductions.mail.models import OutboxEmail
from homeproductions.privacy import forgetting, people
from homeproductions.privacy.errors import Changed, WorksHere
from newsletter.models import Subscriber
from newsletter.services import subscribe
from orders.models import Order, Payment
from orders.services import status
from tests.factories import make_order, make_tier, make_user

from .everywhere import EMAIL, OTHER, scatter
from .test_forget import forget, still_found

pytestmark = pytest.mark.django_db


def test_whoever_orders_while_somebody_is_asked_keeps_order_and_mail(monkeypatch):
    scatter()
    tier = make_tier()

    def says_yes(question):
        new = make_order(tier=tier, buyer_email=EMAIL)
        outbox.queue("confirmation", order=new, recipient=EMAIL, subject="please pay")
        return "yes"

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", says_yes)
    with pytest.raises(CommandError, match="came or changed while it was looked at"):
        call_command("forget", EMAIL, stdout=io.StringIO())

    assert Order.objects.filter(buyer_name="Forgotten guest").count() == 0
    mail = OutboxEmail.objects.get(order__tier=tier)
    assert (mail.status, mail.recipient_email, mail.closed_at) == ("pending", EMAIL, None)


@pytest.mark.parametrize(
    "happens",
    [
        lambda house: Payment.objects.create(provider="stripe", reference="pi_new", payer_email=EMAIL),
        lambda house: Subscriber.objects.all().delete() and subscribe(email=EMAIL),
        lambda house: Order.objects.filter(pk=house.typo.pk).update(corrected_email="new@example.org"),
        lambda house: Order.objects.filter(pk=house.order.pk).update(corrected_email="new@example.org"),
    ],
    ids=["money", "newsletter", "order is of another address", "order got another address"],
)
def test_whatever_else_changed_meanwhile_is_refused(happens):
    house = scatter()
    person = people.find(EMAIL)
    happens(house)

    with pytest.raises(Changed):
        forgetting.forget(person)

    assert Order.objects.filter(buyer_name="Forgotten guest").count() == 0


def test_whoever_became_staff_meanwhile_is_refused():
    scatter()
    person = people.find(EMAIL)
    User.objects.filter(pk=make_user().pk).update(email=EMAIL)

    with pytest.raises(WorksHere):
        forgetting.forget(person)


def test_mail_that_went_to_the_address_for_somebody_elses_order_is_emptied():
    house = scatter()
    status.resend_ticket(house.other.pk, actor=house.staff, address=EMAIL)
    OutboxEmail.objects.filter(recipient_email=EMAIL).update(status="sent", sent_at=timezone.now())
    status.resend_ticket(house.other.pk, actor=house.staff, address=OTHER["buyer_email"])

    forget()

    assert still_found() == []
    right = OutboxEmail.objects.filter(order=house.other, recipient_email=OTHER["buyer_email"])
    assert right.filter(status="pending").exists()


def test_a_guest_called_like_a_word_of_ours_takes_nothing_of_others_along(client):
    house = scatter()
    for word in ("status", "provider", "django", "changed"):
        make_order(status="cancelled", buyer_email="odd@example.org", buyer_name=word)
    history = list(AuditLog.objects.order_by("pk").values())
    client.force_login(house.staff)
    client.get("/admin/")
    kind = ContentType.objects.get_for_model(Order)
    messages = ['[{"changed": {"fields": ["status"]}}]', "changed for todd@example.org"]
    about = {"user": house.staff, "content_type": kind, "object_id": str(house.other.pk), "action_flag": CHANGE}
    entries = [LogEntry.objects.create(**about, change_message=message) for message in messages]

    forget("odd@example.org")

    assert list(AuditLog.objects.filter(pk__in=[row["id"] for row in history]).order_by("pk").values()) == history
    for entry in entries:
        entry.refresh_from_db()
    assert [entry.change_message for entry in entries] == messages
    assert client.get("/admin/orders/order/").status_code == 200
