"""A payment notice that arrives while its guest is being forgotten is applied, and brings nothing of the guest back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection

from homeproductions.privacy import people
from homeproductions.privacy.forgetting import forget
from homeproductions.privacy.tests.everywhere import EMAIL, make_guest
from orders.models import Payment, WebhookDelivery
from orders.services import strays
from tests import provider_bodies as bodies

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
