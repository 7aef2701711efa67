"""Looking at notices while others change or forget the orders that these are about."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
from django.db import connection

from orders.models import Order, WebhookDelivery
from orders.services import retention
from tests.processes import environment

from .test_retention import DAYS, SOON, paid, tier_of
from .test_strays import is_bare, look, stray

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 10


@pytest.fixture(autouse=True)
def thirty_days(settings):
    settings.FORGET_GUESTS_AFTER_DAYS = DAYS


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


def test_what_is_about_an_order_in_other_hands_is_looked_at_the_next_time():
    order, other = paid(tier_of(1)), paid(tier_of(1))
    busy, free = stray(order), stray(other)
    with psycopg.connect(environment()["DATABASE_URL"]) as forgetting:
        forgetting.execute("SELECT FROM orders WHERE id = %s FOR NO KEY UPDATE", [order.pk])
        look()
        assert order_of(busy, free) == [None, other.pk]

    look()

    assert order_of(busy, free) == [order.pk, other.pk]


def order_of(*notices):
    return [WebhookDelivery.objects.get(pk=notice.pk).order_id for notice in notices]


def test_looking_and_forgetting_at_the_same_moment_leave_nothing():
    tier = tier_of(DAYS + 1)
    for _ in range(ROUNDS):
        notices = [stray(paid(tier)) for _ in range(5)]

        together(look, look, lambda: retention.forget_old(within=SOON))
        retention.forget_old(within=SOON)  # deliveries and orders that were in other hands
        look()

        assert not Order.objects.filter(forgotten_at=None).exists()
        assert all(is_bare(notice) for notice in notices)
