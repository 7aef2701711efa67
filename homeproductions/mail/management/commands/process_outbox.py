"""Delivers mail and does the periodic chores, once (for cron) or in a loop (the worker process)."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections
from django.utils import timezone

from homeproductions import chores
from homeproductions.api import DATABASE_AWAY
from homeproductions.mail import heartbeat
from homeproductions.mail.backends import is_configured
from homeproductions.mail.delivery import Tally, process_batch, process_due
from homeproductions.mail.models import OutboxEmail

logger = structlog.get_logger(__name__)

SHORTEST_INTERVAL = 0.1
# How long a signal may go unnoticed while the loop waits for its next round.
NAP = 0.2


class Command(BaseCommand):
    help = "Send the mails that are due and run the periodic chores. Safe to run several times at once."
    # Cron may start this every minute, and it serves no pages: loading them all to check them would be for nothing.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--loop", action="store_true", help="go on until SIGTERM or SIGINT")
        parser.add_argument("--interval", type=float, default=30, metavar="SECONDS", help="pause between rounds (30)")

    def handle(self, *, loop: bool, interval: float, **options: Any) -> None:
        if not interval >= SHORTEST_INTERVAL:
            raise CommandError(f"--interval must be at least {SHORTEST_INTERVAL} seconds")
        with stop_signals() as keep_going:
            if loop:
                with heartbeat.of_a_loop():
                    run_forever(interval, keep_going)
            else:
                self.run_once_or_say_why(keep_going)

    def run_once_or_say_why(self, keep_going: Callable[[], bool]) -> None:
        try:
            self.run_once(keep_going)
        except DATABASE_AWAY as error:
            # Cron mails what it reads: one sentence instead of a traceback. Claimed mails come back with their lease.
            raise CommandError(
                f"The database is away ({type(error).__name__}); mail waits for the next run."
            ) from error

    def run_once(self, keep_going: Callable[[], bool]) -> None:
        if is_configured():
            self.stdout.write(str(process_due(keep_going)))
        else:
            waiting = OutboxEmail.objects.filter(status=OutboxEmail.Status.PENDING).count()
            self.stdout.write(f"mail is not configured (EMAIL_HOST, EMAIL_PROVIDER or EMAIL_FOLDER); {waiting} waiting")
        failed = chores.run_all(timezone.now())
        if failed:
            raise CommandError(f"failed: {', '.join(failed)}")


def run_forever(interval: float, keep_going: Callable[[], bool]) -> None:
    """One round after the other until `keep_going` says no. Outlives a database or a mail server that is away."""
    if not is_configured():
        logger.warning("mail is not configured; it stays in the outbox")
    logger.info("outbox worker started", interval=interval)
    while keep_going():
        is_more_due = run_round(keep_going)
        if not is_more_due:
            pause(interval, keep_going)
    logger.info("outbox worker stopped")


def run_round(keep_going: Callable[[], bool]) -> bool:
    """One batch of mail, then the chores. Returns whether more mail is due now."""
    tally = Tally()
    try:
        if is_configured():
            tally = process_batch(keep_going)
    except Exception as error:
        logger.error("outbox round failed", **chores.outline(error))
    if tally:
        counts = {"sent": tally.sent, "retried": tally.retried, "failed": tally.failed, "closed": tally.closed}
        logger.info("outbox round", **counts)
    # A connection that broke is useless from here on, and one that waits for 30 seconds is better given back.
    close_old_connections()
    if keep_going():
        chores.run_due(timezone.now())
        close_old_connections()
    return tally.more


def pause(seconds: float, keep_going: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while keep_going() and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, NAP))


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """A question, "keep going?", that SIGTERM and SIGINT answer with no, so that the mail in hand is finished."""
    is_stopping = False

    def stop(signum: int, frame: object) -> None:
        nonlocal is_stopping
        is_stopping = True

    # Python lets only the main thread handle signals.
    signals = [signal.SIGTERM, signal.SIGINT] if threading.current_thread() is threading.main_thread() else []
    previous = {number: signal.signal(number, stop) for number in signals}
    try:
        yield lambda: not is_stopping
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
