"""The outbox in words that an office uses. What a mail server says is meant for other mail servers."""

import re
from datetime import datetime

from django.utils import timezone

from . import queries
from .models import EmailKind, OutboxEmail

Status = OutboxEmail.Status

OTHER_ADDRESS = "Ask the guest for another address and resend the order to it."
OPERATOR = "Tell whoever looks after this system."
BY_ITSELF = "It is tried again by itself."

# By what the server says in RFC 3463 (5.1.1), the more exact first.
ENHANCED = (
    (r"1\.(1|10|6)", f"There is no such mailbox: the address is mistyped or was given up. {OTHER_ADDRESS}"),
    (r"1\.2", f"What stands behind the @ does not exist: the address is mistyped. {OTHER_ADDRESS}"),
    (r"1\.3", f"The address is not written as one can be. {OTHER_ADDRESS}"),
    (r"1\.[78]", f"The other side does not accept our sender address. {OPERATOR}"),
    (r"2\.2", f"The guest's mailbox is full. {OTHER_ADDRESS}"),
    (r"2\.\d+", f"The guest's mailbox is closed. {OTHER_ADDRESS}"),
    (r"3\.4", f"The mail is too large for the other side. {OPERATOR}"),
    (r"4\.\d+", f"The guest's mail server could not be reached. {BY_ITSELF}"),
    (r"7\.(8|9|11)", f"The mail server wants another login than ours. {OPERATOR}"),
    (r"7\.\d+", f"The other side takes our mail for spam or does not trust our server. {OPERATOR}"),
)
BASIC = (
    (r"421", f"The mail server was busy or going down. {BY_ITSELF}"),
    (r"45[01]", f"The other side could not take the mail just then. {BY_ITSELF}"),
    (r"452|552", f"The guest's mailbox, or the server, is full. {OTHER_ADDRESS}"),
    (r"53\d", f"The mail server wants another login than ours. {OPERATOR}"),
    (r"550|551|553", f"The other side does not know this address. {OTHER_ADDRESS}"),
    (r"554|556", f"The other side refused the mail, most often as spam. {OPERATOR}"),
    (r"4\d\d", f"The other side could not take the mail just then. {BY_ITSELF}"),
    (r"5\d\d", f"The mail server refused the mail. {OPERATOR}"),
)
PROVIDER = (
    (r"401|403", f"The mail provider does not accept our key. {OPERATOR}"),
    (r"402", f"The mail provider was not paid. {OPERATOR}"),
    (r"408|429|5\d\d", f"The mail provider was busy or in trouble. {BY_ITSELF}"),
    (r"4\d\d", f"The mail provider refused this mail; most often the address is wrong. {OTHER_ADDRESS}"),
)
# What our own worker says first, before any code.
BEGINNINGS = (
    ("the mail server refused our login", f"The mail server refused our login. {OPERATOR}"),
    ("the mail server refused our sender address", f"The mail server refused our sender address. {OPERATOR}"),
    ("no connection to the mail server", f"The mail server could not be reached. {BY_ITSELF}"),
    ("the mail server did not answer in time", f"The mail server did not answer in time. {BY_ITSELF}"),
    ("this is not an e-mail address", f"This is no e-mail address. {OTHER_ADDRESS}"),
)
BY_HTTP = re.compile(r"the mail provider answered HTTP (\d{3})")
BY_SMTP = re.compile(r"the mail server (?:answered|refused the recipient:) (\d{3})(?:[ -]+[245]\.(\d{1,3}\.\d{1,3}))?")
GAVE_UP = re.compile(r"gave up after \d+ attempts(?:: )?")
UNKNOWN = f"The mail could not be made or handed over. {OPERATOR}"


def kind(email_type: str) -> str:
    known = dict(EmailKind.choices)
    return str(known.get(email_type) or email_type.replace("_", " ").capitalize())


def state(email: OutboxEmail, now: datetime | None = None) -> str:
    """One of: waiting, being sent, stuck, sent, failed, not wanted."""
    if queries.looks_stuck(email, now or timezone.now()):
        return "stuck"
    if email.status == Status.FAILED:
        return "failed" if email.has_failed else "not wanted"
    return {Status.PENDING: "waiting", Status.PROCESSING: "being sent", Status.SENT: "sent"}[Status(email.status)]


def problem(email: OutboxEmail) -> str:
    """What went wrong at the last try and what to do about it; why nobody wants the mail; empty if all is well."""
    text = email.error_message or ""
    if not text or email.closed_at:
        return text[:1].upper() + text[1:]
    words = explain(text)
    # A promise that the system keeps only until the last attempt.
    return words.replace(BY_ITSELF, "Retry it once that is mended.") if email.has_failed else words


def explain(text: str) -> str:
    """What `error_message` means."""
    said = GAVE_UP.sub("", text, count=1)
    if not said:
        return f"The worker vanished each time it sent this mail. {OPERATOR}"
    for beginning, words in BEGINNINGS:
        if said.startswith(beginning):
            return words
    if answer := BY_HTTP.match(said):
        return _meaning(PROVIDER, answer[1]) or UNKNOWN
    if answer := BY_SMTP.match(said):
        return _meaning(ENHANCED, answer[2] or "") or _meaning(BASIC, answer[1]) or UNKNOWN
    return UNKNOWN


def _meaning(table: tuple[tuple[str, str], ...], code: str) -> str:
    return next((words for pattern, words in table if re.fullmatch(pattern, code)), "")
