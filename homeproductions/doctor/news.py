"""What the doctor said last, so that cron mails each thing once and not every ten minutes."""

import hashlib
import re
from collections.abc import Iterable

from django.core.cache import caches
from django.db import Error

from .finding import Finding

REMINDER = 24 * 60 * 60  # seconds until the same is said again
KEY = "doctor:said"
# What grows by itself while nothing changes: `for 25 minutes`, `7 s ahead`.
AGE = re.compile(r"\d+ (s|seconds?|minutes?|hours?|days?)\b")


def is_new(wrong: Iterable[tuple[str, Finding]]) -> bool:
    """Whether this was not what needed a person when it was asked last, or that is a day ago. Keeps a note of it among
    the counters of the rate limits, which expire as well. Where no note can be kept, everything is new: rather twice
    than never."""
    said = _number(wrong)
    notes = caches["rate-limits"]
    try:
        if notes.get(KEY) == said:
            return False
        notes.set(KEY, said, timeout=REMINDER)
    except Error:
        return True
    return bool(said)


def _number(wrong: Iterable[tuple[str, Finding]]) -> int:
    """The same for the same things, however old they are; 0 for none. Counters hold whole numbers only."""
    things = [(name, finding.message, *finding.details) for name, finding in wrong]
    text = AGE.sub("", repr(things)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:7]) if things else 0
