"""Which addresses may be stored and shown as links: http and https, nothing else."""

import re
from urllib.parse import urlsplit

MAX_LENGTH = 2000
# A browser drops tabs and line breaks inside an address and reads a backslash as a slash; refuse rather than guess.
UNSAFE = re.compile(r"[\x00-\x20\x7f\\\"<>]")


def is_web_address(text: str) -> bool:
    """True for an absolute http(s) address with a host."""
    if len(text) > MAX_LENGTH or UNSAFE.search(text):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an impossible port or IPv6 address
        return False
