"""What this server depends on: the way for mail, the payment providers, backups, and the environment."""

import time
from pathlib import Path

from django.conf import settings
from django.core import checks
from django.db import Error

from homeproductions import backups as kept
from homeproductions import static_files
from homeproductions.mail import trial
from homeproductions.mail.errors import in_words

from .finding import Finding, age, note, ok, wrong

# What a check of its own says here, and what W008 says in words of our own.
SAID_ELSEWHERE = ("homeproductions.I002", "homeproductions.I003", "security.W012", "security.W016")


def mail() -> Finding:
    """Connects to where mail leaves and signs in. Sends nothing."""
    if not settings.MAIL_TRANSPORT:
        if settings.EMAIL_FOLDER:
            return note("Mail is only written into a folder (EMAIL_FOLDER); no guest gets any.")
        return wrong("Mail is not configured: it stays in the outbox.", "Set EMAIL_HOST or EMAIL_PROVIDER.")
    try:
        return ok(trial.sign_in())
    except trial.CannotTry as reason:
        return note(str(reason), "Send a test mail from /admin/mail/outboxemail/.")
    except Exception as error:
        hint = "Compare EMAIL_* with what the mail provider says; some hosts block SMTP ports (then EMAIL_PROVIDER)."
        return wrong(f"Mail cannot leave: {in_words(error)}", hint)


def webhook() -> Finding:
    """Whether payments that are made can be told to us."""
    shared = settings.PAYMENT_WEBHOOK_SECRETS
    secrets = {
        "PAYMENT": shared,
        "RECURRENTE": settings.RECURRENTE_WEBHOOK_SECRETS,
        "STRIPE": settings.STRIPE_WEBHOOK_SECRETS,
    }
    deaf = []
    if settings.RECURRENTE_SECRET_KEY and not (shared or secrets["RECURRENTE"]):
        deaf.append("RECURRENTE_WEBHOOK_SECRETS")
    if settings.STRIPE_SECRET_KEY and not secrets["STRIPE"]:
        deaf.append("STRIPE_WEBHOOK_SECRETS")
    if deaf:
        hint = f"Set {' and '.join(deaf)} to what the provider shows for the endpoint."
        return wrong("Guests pay at a provider whose notices are not believed.", hint)
    known = [f"{name}_WEBHOOK_SECRETS" for name, values in secrets.items() if values]
    if not known:
        hint = "Set PAYMENT_WEBHOOK_SECRETS; until then the office marks orders as paid."
        return note("No payment notice is believed: no webhook secret is set.", hint)
    return ok(f"Payment notices are believed by {', '.join(known)}.")


def backups() -> Finding:
    """How old the newest file at BACKUP_PATH is. Whether it can be restored, only a rehearsal tells."""
    if not settings.BACKUP_PATH:
        return note("Nobody said where backups lie.", "Set BACKUP_PATH to their folder, if this host can see it.")
    place = Path(settings.BACKUP_PATH)
    if trouble := _closed(place):
        return wrong(trouble, "Make the folder, let this account read it, or correct BACKUP_PATH.")
    if trouble := _refused(place):
        return wrong(trouble, "Until then `manage.py backup` makes none.")
    newest = kept.newest(place)
    allowed = settings.BACKUP_MAX_AGE.total_seconds()
    hint = "See whether the job that makes backups still runs."
    if newest is None:
        return wrong("There is no backup at BACKUP_PATH.", hint)
    written, size = newest
    seconds = max(0.0, time.time() - written)
    if size == 0:
        return wrong("The newest backup is empty.", hint)
    if seconds > allowed:
        return wrong(f"The newest backup is {age(seconds)} old; {age(allowed)} are allowed.", hint)
    return ok(f"The newest backup is {age(seconds)} old ({size:,} bytes).")


def _closed(place: Path) -> str:
    """Why nobody can know what lies there; an empty text where one can look."""
    try:
        if place.is_file():
            return ""
        next(place.iterdir(), None)
    except FileNotFoundError:
        return f"BACKUP_PATH leads nowhere: there is no {place}."
    except OSError as error:
        return f"Nobody can look into {place} (BACKUP_PATH): {error.strerror}."
    return ""


def _refused(place: Path) -> str:
    """Why `manage.py backup` will make no more of what it made there; an empty text where it will, where others make
    backups, and where the database is away, which has a line of its own."""
    try:
        if place.is_dir() and any(place.glob(kept.PATTERN)):
            kept.server()
    except kept.NoWay as reason:
        return str(reason)
    except Error:
        return ""
    return ""


def pages() -> Finding:
    """Whether the static files that pages refer to are those of this code."""
    hint = f"{static_files.COLLECT[0].upper()}{static_files.COLLECT[1:]}."
    if not static_files.are_collected():
        return note("Static files are not collected; pages load more slowly.", hint)
    if outdated := tuple(static_files.outdated()):
        return wrong("The collected static files are those of another release.", hint, outdated)
    return ok("The static files are collected.")


def environment() -> Finding:
    """What `check --deploy` says about security: ours and Django's own."""
    said = checks.run_checks(tags=[checks.Tags.security], include_deployment_checks=True)
    said = [message for message in said if not message.is_silenced() and message.id not in SAID_ELSEWHERE]
    insecure = [message for message in said if message.level >= checks.WARNING]
    shown = tuple(f"{message.id}: {_first_sentence(str(message.msg))}" for message in insecure or said)
    hint = "`manage.py check --deploy` says more about each."
    if insecure:
        count = len(insecure)
        return wrong(f"{count} insecure setting{'' if count == 1 else 's'}.", hint, shown)
    return note("The settings are secure, with a remark.", hint, shown) if said else ok("The settings are secure.")


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).partition(". ")[0].removesuffix(".") + "."
