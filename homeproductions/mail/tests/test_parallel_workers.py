"""Several workers on one outbox, on real connections."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, transaction

from homeproductions.mail.models import OutboxEmail
from homeproductions.mail.services import claim, process_due

pytestmark = pytest.mark.django_db(transaction=True)


def in_threads(function, workers=4):
    """Call the function in several threads that start together; their results."""
    start = Barrier(workers)

    def run():
        start.wait()
        try:
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(workers) as pool:
        return [future.result() for future in [pool.submit(run) for _ in range(workers)]]


def test_four_workers_send_each_mail_once(make_note, mailoutbox):
    for number in range(60):
        make_note(recipient_email=f"guest{number}@example.com")

    tallies = in_threads(process_due)

    assert sum(tally.sent for tally in tallies) == 60
    assert Counter(message.to[0] for message in mailoutbox) == {f"guest{number}@example.com": 1 for number in range(60)}
    assert set(OutboxEmail.objects.values_list("status", "attempts")) == {("sent", 1)}


def claim_without_waiting():
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '2s'")
        return claim(limit=10)


def test_claims_never_overlap_and_never_wait(make_note):
    for _ in range(30):
        make_note()

    with transaction.atomic():
        mine = claim(limit=10)  # locked until this block ends; the others must step over
        others = in_threads(claim_without_waiting, workers=2)

    claimed = [email.pk for batch in [mine, *others] for email in batch]
    assert len(claimed) == len(set(claimed)) == 30
