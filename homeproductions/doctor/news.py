"""What the doctor said last, so that cron mails each thing once and not every ten minutes."""

import hashlib
import re
from collections.abc import Collection, Iterable

from django.core.cache import caches
from django.db import Error

from .finding import Finding

REMINDER = 24 * 60 * 60  # seconds until the same is said again
KEY = "doctor:said:{}"
# What grows by itself while nothing changes: `for 25 minutes`, `7 s ahead`.
AGE = re.compile(r"\d+ (s|seconds?|minutes?|hours?|days?)\b")


def is_new(wrong: Iterable[tuple[str, Finding]], looked_at: Collection[str]) -> bool:
    """Whether this was not what needed a person when these checks were asked last, or that is a day ago. Keeps a note
    among the counters of the rate limits, which expire as well; one for each choice of checks, for cron may look at
    some more often than at others. Where no note can be kept, everything is new: rather twice than never."""
    said = _number(wrong)
    key = KEY.format(hashlib.sha256(" ".join(sorted(set(looked_at))).encode()).hexdigest()[:32])
    notes = caches["rate-limits"]
    try:
        if notes.get(key) == said:
            return False
        notes.set(key, said, timeout=REMINDER)
    except Error:
        return True
    return bool(said)


def _number(wrong: Iterable[tuple[str, Finding]]) -> int:
    """The same for the same things, however old they are; 0 for none. Counters hold whole numbers only."""
    things = [(name, finding.message, *finding.details) for name, finding in wrong]
    text = AGE.sub("", repr(things)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:7]) if things else 0
