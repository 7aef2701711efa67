"""The mail race: three workers behind PgBouncer, and one of them killed. Each mail leaves once."""

import io
import signal
from collections import Counter
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from homeproductions.mail import heartbeat
from homeproductions.mail.models import OutboxEmail
from tests.factories import make_order, make_tier
from tests.faults.post_office import open_post_office
from tests.lengths import length
from tests.processes import program, wait_until
from tests.scale.programs import pooler

pytestmark = pytest.mark.django_db(transaction=True)
MAILS, WORKERS = length(60, 600), 3
Status = OutboxEmail.Status


@pytest.fixture
def post_office():
    with open_post_office() as office:
        yield office


@contextmanager
def workers(folder, post_office, *manage):
    """So many of them, as in production, once all are alive."""
    with ExitStack() as stack, (folder / "workers.log").open("w") as log:
        url = stack.enter_context(pooler(folder))
        command = (*(manage or ["manage.py"]), "process_outbox", "--loop", "--interval", "0.2")
        started = [
            stack.enter_context(program(*command, log=log, DATABASE_URL=url, REDIS_URL="", **post_office.variables))
            for _ in range(WORKERS)
        ]
        wait_until(lambda: heartbeat.signs().loops == WORKERS or not all_run(started), "all workers")
        assert all_run(started), (folder / "workers.log").read_text()
        yield started


def all_run(processes):
    return all(process.poll() is None for process in processes)


def taken(post_office):
    return [mail.id for mail in list(post_office.mails)]


def promise_tickets():
    tier = make_tier(quantity=MAILS)
    orders = [make_order(tier, "paid") for _ in range(MAILS)]
    fields = {"email_type": "ticket", "recipient_email": "lucia@example.com", "subject": "Your ticket"}
    OutboxEmail.objects.bulk_create(OutboxEmail(order=order, **fields) for order in orders)


def are_all_sent():
    return not OutboxEmail.objects.exclude(status=Status.SENT).exists()


def two_minutes_pass():
    """For the mail that the killed worker had in hand."""
    OutboxEmail.objects.filter(status=Status.PROCESSING).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_three_workers_of_which_one_is_killed_send_each_mail_once(folder, post_office, settings):
    with workers(folder, post_office) as [victim, *others]:
        promise_tickets()
        wait_until(lambda: len(post_office.mails) >= MAILS / 3, "a third of the mails")
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        wait_until(lambda: not OutboxEmail.objects.filter(status=Status.PENDING).exists(), "the others")
        wait_until(lambda: OutboxEmail.objects.filter(status=Status.PROCESSING).count() <= 1, "what is in hand")
        two_minutes_pass()
        wait_until(are_all_sent, "the last mail")
        assert all_run(others)

    copies = Counter(taken(post_office))
    assert len(copies) == MAILS
    assert sum(copies.values()) - MAILS <= 1, "only what was in hand when the worker died can have left before"
    who_is_left(settings)


def who_is_left(settings):
    """Two have ended in order; of the third nobody knows until it has been silent for ten minutes."""
    assert heartbeat.signs().loops == 1
    settings.WORKERS_EXPECTED = WORKERS
    said = io.StringIO()
    with pytest.raises(CommandError, match="worker"):
        call_command("doctor", only=["worker"], stdout=said)
    assert "1 of 3 workers alive." in said.getvalue()


def test_workers_that_do_not_lock_send_some_twice(folder, post_office):
    with workers(folder, post_office, "-m", "tests.scale.unclaimed_worker"):
        promise_tickets()
        wait_until(lambda: max(Counter(taken(post_office)).values(), default=0) > 1, "a mail that comes twice")
