"""Several workers on one outbox, on real connections."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import OperationalError, connection, transaction

from homeproductions.mail import delivery, turns
from homeproductions.mail.delivery import process_due
from homeproductions.mail.models import OutboxEmail
from homeproductions.mail.turns import Result, claim, turn

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


def office_against_worker(make_note):
    """The office calls off two mails one after the other; a worker has sent the first and turns to the second."""
    first, second = make_note(), make_note()
    [sent] = claim()
    waiting = second if sent.pk == first.pk else first
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        call_off(sent)
        worker = pool.submit(closing_connection, lambda: turn(Result(sent, "sent"), limit=1))
        time.sleep(0.3)  # the worker waits for the mail that the office has locked
        call_off(waiting)
    return worker.result()


def call_off(email):
    OutboxEmail.objects.filter(pk=email.pk).update(status="failed", lease_until=None)


def closing_connection(function):
    try:
        return function()
    finally:
        connection.close()


def test_who_waits_for_the_last_mail_holds_no_other(make_note):
    assert office_against_worker(make_note) == (False, [])
    assert set(OutboxEmail.objects.values_list("status", flat=True)) == {"failed"}


def test_the_other_way_round_they_would_wait_for_each_other(make_note, monkeypatch):
    claim_first = turns.TURN.replace("(SELECT count(*) FROM written) >= 0\n          AND ", "")
    claim_first = claim_first.replace("WHERE id = %(id)s", "WHERE (SELECT count(*) FROM due) >= 0 AND id = %(id)s")
    written, due = claim_first.index("written AS ("), claim_first.index("due AS MATERIALIZED (")
    claimed = claim_first.index("claimed AS (")
    due_text, written_text = claim_first[due:claimed], claim_first[written:due]
    monkeypatch.setattr(turns, "TURN", claim_first[:written] + due_text + written_text + claim_first[claimed:])

    with pytest.raises(OperationalError, match="deadlock"):
        office_against_worker(make_note)


def test_a_mail_that_has_left_is_written_although_the_next_cannot_be_claimed(make_note, mailoutbox, monkeypatch):
    for _ in range(2):
        make_note()
    original = turns.turn

    def fail_to_claim(result, *, limit):
        if result.sent_at and limit:
            raise OperationalError("deadlock detected")
        return original(result, limit=limit)

    monkeypatch.setattr(turns, "turn", fail_to_claim)
    tally = delivery.process_batch()

    assert (tally.sent, len(mailoutbox)) == (1, 1)
    assert sorted(OutboxEmail.objects.values_list("status", flat=True)) == ["pending", "sent"]
