"""The ticket code (contract 3.7): derived when needed, stored only as a hash."""

import hashlib
import hmac
import re
from uuid import UUID

from django.conf import settings

CODE_BYTES = 16
CODE = re.compile(r"[0-9A-Fa-f]{32}")


def code_for(order_id: UUID, version: int) -> str:
    """32 upper-case hex characters that only the holder of TICKET_KEY can derive; the same every time."""
    digest = hmac.digest(settings.TICKET_KEY.encode(), f"{order_id}:{version}".encode(), "sha256")
    return digest[:CODE_BYTES].hex().upper()


def hash_code(code: str) -> str:
    """Lower-case hex SHA-256 of the upper-cased code: all that a table ever holds."""
    return hashlib.sha256(code.upper().encode()).hexdigest()


def looks_like_code(text: str) -> bool:
    return CODE.fullmatch(text) is not None
