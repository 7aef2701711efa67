"""Two requests for one address at the same moment, on real connections."""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from constance import config
from django.db import connection
from django.test import Client
from django.utils import timezone

from audit.models import AuditLog
from homeproductions.mail.models import OutboxEmail
from newsletter import links, queries, services
from newsletter.models import Subscriber
from tests.factories import make_user

from .conftest import EMAIL, make_subscriber

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 6


def at_once(function):
    """Call the function in several threads that start together; their results."""
    start = Barrier(THREADS)

    def run():
        start.wait()
        try:
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return [future.result() for future in [pool.submit(run) for _ in range(THREADS)]]


@pytest.fixture(autouse=True)
def looking_takes_long(monkeypatch):
    """Requests overlap for sure between a look and the change it leads to. Each test fails without the lock."""

    def slow(look):
        def look_and_dawdle(*args, **kwargs):
            result = look(*args, **kwargs)
            time.sleep(0.05)
            return result

        return look_and_dawdle

    monkeypatch.setattr(services, "_get_or_create_locked", slow(services._get_or_create_locked))
    monkeypatch.setattr(queries, "_get", slow(queries._get))
    monkeypatch.setattr(queries, "may_mail", slow(queries.may_mail))


def subscribe():
    body = {"email": EMAIL}
    return Client().post("/api/newsletter/subscribe", body, content_type="application/json").status_code


@pytest.mark.parametrize("state", [None, "waiting", "left"])
def test_parallel_subscribes_make_one_row_and_one_mail(state):
    # Written down: a setting without a row is inserted by the first who reads it, and the others would wait for that.
    config.email_require_confirmation = True
    if state:
        make_subscriber(state)

    statuses = at_once(subscribe)

    assert statuses == [201] * THREADS
    assert (Subscriber.objects.count(), OutboxEmail.objects.count()) == (1, 1)
    assert AuditLog.objects.count() == (0 if state else 1)


@pytest.mark.parametrize("state", [None, "waiting", "left"])
def test_parallel_subscribes_without_confirmation_are_one_change(state):
    config.email_require_confirmation = False
    if state:
        make_subscriber(state)

    at_once(subscribe)

    assert (Subscriber.objects.get().is_active, AuditLog.objects.count()) == (True, 1)


def test_parallel_confirmations_are_one_change():
    token = links.confirm_url(make_subscriber("waiting").pk, timezone.now()).split("/")[-2]

    results = at_once(lambda: services.confirm(token=token))

    assert (sorted(results), AuditLog.objects.count()) == ([False] * (THREADS - 1) + [True], 1)


def test_parallel_unsubscribes_are_one_change():
    token = links.unsubscribe_url(make_subscriber("active").pk).split("/")[-2]

    results = at_once(lambda: services.unsubscribe(token=token))

    assert (sorted(results), AuditLog.objects.count()) == ([False] * (THREADS - 1) + [True], 1)


def test_imports_at_once_add_each_address_once():
    emails = [f"guest{number}@example.com" for number in range(2_000)]
    user = make_user("admin")
    # In both directions, so that without one order of their own they would wait for each other.
    lists = itertools.cycle([emails, emails[::-1]])

    done = at_once(lambda: services.import_addresses(next(lists), actor=user))

    assert sum(each.added for each in done) == len(emails)
    assert Subscriber.objects.count() == AuditLog.objects.filter(action="NEWSLETTER_IMPORT").count() == len(emails)


def test_an_import_brings_nobody_back_who_leaves_in_the_same_moment():
    subscriber = make_subscriber()
    user = make_user("admin")
    acts = itertools.cycle(
        [
            lambda: services.unsubscribe_for(subscriber.pk, actor=user),
            lambda: services.import_addresses([EMAIL], actor=user).added,
        ]
    )

    assert sum(at_once(lambda: next(acts)())) == 1
    assert Subscriber.objects.get().state == Subscriber.State.LEFT
