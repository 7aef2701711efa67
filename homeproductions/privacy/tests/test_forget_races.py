"""What happens to a guest at the moment when they are forgotten: a payment notice is applied, and brings nothing of
them back; an order that they place keeps its mail."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection

from homeproductions.mail.models import OutboxEmail
from homeproductions.privacy import people
from homeproductions.privacy.errors import Changed
from homeproductions.privacy.forgetting import forget
from homeproductions.privacy.tests.everywhere import EMAIL, make_guest
from orders.models import Order, Payment, WebhookDelivery
from orders.services import checkout, strays
from tests import provider_bodies as bodies
from tests.factories import make_tier

ROUNDS = 12


def together(*jobs):
    start = Barrier(len(jobs))

    def run(job):
        try:
            start.wait()
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result() for future in [pool.submit(run, job) for job in jobs]]


def in_another_thread(job):
    together(job)


def told_by(email):
    payers = set(Payment.objects.values_list("payer_email", flat=True))
    notices = b"".join(bytes(body) for body in WebhookDelivery.objects.values_list("body", flat=True))
    return email in payers or email.encode() in notices


@pytest.mark.django_db(transaction=True)
def test_a_notice_and_forgetting_at_the_same_moment():
    came_back = 0
    for number in range(ROUNDS):
        email = f"{number}.{EMAIL}"
        order = make_guest(email)
        person = people.find(email)
        notice = bodies.recurrente(order, "intent.succeeded", customer={"email": email})

        _, result = together(lambda person=person: forget(person), lambda body=notice: bodies.receive(body))

        assert result.processed
        came_back += told_by(email)  # it was stored after the search for notices
        strays.look_at_new(within=timedelta(minutes=1))
        assert not told_by(email)
    assert came_back, "the notice never came late, so nothing was shown"


def order_anew(tier):
    checkout.place_order(
        event_id=tier.event_id, tier_id=tier.pk, quantity=1, buyer_name="Ximena Quezada", buyer_email=EMAIL
    )


@pytest.mark.django_db(transaction=True)
def test_an_order_placed_before_they_are_forgotten_and_after_they_were_found():
    make_guest()
    person = people.find(EMAIL)
    in_another_thread(lambda: order_anew(make_tier()))

    with pytest.raises(Changed):
        forget(person)

    assert not Order.objects.exclude(forgotten_at=None).exists()
    assert_new_order_is_whole()


@pytest.mark.django_db(transaction=True)
def test_an_order_placed_while_they_are_forgotten(monkeypatch):
    old, tier = make_guest(), make_tier()
    look_again = people.refuse_changed

    def meanwhile(person):
        look_again(person)
        in_another_thread(lambda: order_anew(tier))

    monkeypatch.setattr(people, "refuse_changed", meanwhile)
    forget(people.find(EMAIL))

    old.refresh_from_db()
    assert old.forgotten_at is not None
    assert_new_order_is_whole()


def assert_new_order_is_whole():
    new = Order.objects.get(status="pending")
    assert (new.buyer_email, new.forgotten_at) == (EMAIL, None)
    mail = OutboxEmail.objects.get(order=new)
    assert (mail.status, mail.recipient_email, mail.closed_at) == ("pending", EMAIL, None)
