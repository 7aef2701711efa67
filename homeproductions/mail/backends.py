"""Where mail leaves: to the configured transport, as files into a folder, or both."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

logger = structlog.get_logger(__name__)

OUTGOING = f"{__name__}.Outgoing"


def is_configured() -> bool:
    """Whether a mail that is handed over now goes anywhere. Otherwise mails wait in the outbox."""
    return settings.EMAIL_BACKEND != OUTGOING or bool(settings.MAIL_TRANSPORT or settings.EMAIL_FOLDER)


class Outgoing(BaseEmailBackend):
    """Sends through MAIL_TRANSPORT and keeps a copy of what was sent in EMAIL_FOLDER; either may be unset."""

    def __init__(self, fail_silently: bool = False, **options: Any) -> None:
        super().__init__(fail_silently=fail_silently)
        transport = settings.MAIL_TRANSPORT
        self.transport = get_connection(transport, fail_silently=fail_silently, **options) if transport else None

    def open(self) -> bool | None:
        return self.transport.open() if self.transport else None

    def close(self) -> None:
        if self.transport:
            self.transport.close()

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        return sum(self._send(message) for message in email_messages)

    def _send(self, message: EmailMessage) -> int:
        if not self.transport:
            if settings.EMAIL_FOLDER:
                write_copy(message, Path(settings.EMAIL_FOLDER))
            return int(bool(settings.EMAIL_FOLDER))
        sent = self.transport.send_messages([message]) or 0
        if sent and settings.EMAIL_FOLDER:
            self._keep_copy(message)
        return sent

    def _keep_copy(self, message: EmailMessage) -> None:
        # The guest has the mail: a full disk must not make it go out a second time.
        try:
            write_copy(message, Path(settings.EMAIL_FOLDER))
        except OSError as error:
            logger.warning("mail copy not written", error=type(error).__name__)


def write_copy(message: EmailMessage, folder: Path) -> Path:
    """Write the message as one `.eml` file that appears whole or not at all. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    label = re.sub(r"[^\w-]", "", str(message.extra_headers.get("X-Outbox-Id", ""))) or "mail"
    path = folder / f"{timezone.localtime():%Y%m%d-%H%M%S-%f}-{label}.eml"
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(message.message().as_bytes())
    os.replace(unfinished, path)
    return path
