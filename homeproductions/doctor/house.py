"""What waits inside the house: worker, mails, money, and whether the books are in order."""

from django.conf import settings
from django.utils import timezone

from accounts.services import staff
from homeproductions.mail import heartbeat
from orders import bookkeeping, statistics
from orders.models import Payment
from orders.statistics import Waiting

from .finding import Finding, age, ok, plural, wrong


def admin() -> Finding:
    """Whether there is somebody who can let others in."""
    if staff.has_admin():
        return ok("There is an admin.")
    hint = "Set DEFAULT_ADMIN_EMAIL and DEFAULT_ADMIN_PASSWORD, and run `manage.py ensure_admin`."
    return wrong("There is no active superadmin: nobody can invite people or change settings.", hint)


def worker() -> Finding:
    """Whether a worker was alive of late, the loop or cron; and as many loops as there should be."""
    signs = heartbeat.signs()
    hint = "Start `manage.py process_outbox --loop`, or let cron run `manage.py process_outbox` every minute."
    if signs.last_beat is None:
        return wrong("No worker has ever run: mail does not leave, and holds do not end.", hint)
    if signs.is_worker_silent:
        return wrong(f"No worker was alive for {age(signs.last_beat)}.", hint)
    if signs.loops < settings.WORKERS_EXPECTED:
        message = f"{signs.loops} of {plural(settings.WORKERS_EXPECTED, 'worker')} alive."
        return wrong(message, "Start the missing `manage.py process_outbox --loop`, or correct WORKERS_EXPECTED.")
    if signs.loops > 1:
        return ok(f"{signs.loops} workers alive, the last sign of one {age(signs.last_beat)} ago.")
    return ok(f"A worker was alive {age(signs.last_beat)} ago.")


def books() -> Finding:
    """Every counter against the journal that only grows."""
    differences = tuple(bookkeeping.differences())
    if not differences:
        return ok("Counters and journal agree.")
    message = f"{plural(len(differences), 'difference')} between counters and journal."
    return wrong(message, "Correct nothing by hand before you know how it came about: the audit may tell.", differences)


def mails() -> Finding:
    """Mails that were given up, or that nobody takes although their time has come."""
    failed, stuck = statistics.mails_failed()["mails"], statistics.mails_stuck(timezone.now())
    oldest = heartbeat.signs().oldest_unsent
    if failed or stuck:
        found = [f"{plural(failed, 'mail')} failed"] * bool(failed) + [f"{plural(stuck, 'mail')} stuck"] * bool(stuck)
        hint = "Look at /admin/mail/outboxemail/: it says why, and retries or calls off."
        return wrong(f"{' and '.join(found)}.", hint)
    if oldest is None:
        return ok("All mails are sent.")
    return ok(f"No mail failed; the oldest unsent one is {age(oldest)} old.")


def money() -> Finding:
    """Payments that only a person can decide about, and notices that could not be applied yet."""
    reasons, failed = statistics.payments_waiting(), statistics.notices_failed()
    count = sum(reason.payments for reason in reasons)
    details = [_reason(reason) for reason in reasons]
    if failed:
        details.append(f"{plural(failed, 'notice')} of a payment could not be applied yet")
    if not details:
        return ok("No money waits for a person.")
    message = f"{plural(count, 'payment')} to look at." if count else "Payment notices wait."
    return wrong(message, "Decide about them at /admin/money/.", tuple(details))


def _reason(reason: Waiting) -> str:
    waits = (timezone.now() - reason.since).total_seconds()
    return f"{reason.payments}: {Payment.Review(reason.review).label}, for {age(waits)}"
