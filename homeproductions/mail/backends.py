"""Where mail leaves: to the configured transport, as files into a folder, or both."""

import os
import re
from collections.abc import Sequence
from email.generator import BytesGenerator
from email.message import Message
from email.policy import Compat32
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from secrets import token_hex
from smtplib import SMTPException
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend
from django.core.mail.message import sanitize_address
from django.utils import timezone

from .dialogue import Punctual, PunctualSSL

logger = structlog.get_logger(__name__)

LINE = 78  # characters, as RFC 5322 likes it
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


class Smtp(EmailBackend):
    """Django's, with `as_bytes` in place of its own, and with a limit for each answer of the server."""

    @property
    def connection_class(self) -> type[Punctual]:
        return PunctualSSL if self.use_ssl else Punctual

    def _send(self, email_message: EmailMessage) -> bool:
        assert self.connection is not None  # `open` comes first
        sender, *recipients = map(_sanitized, (email_message.from_email, *email_message.recipients()))
        try:
            self.connection.sendmail(sender, recipients, as_bytes(email_message.message()))
        except SMTPException:
            if not self.fail_silently:
                raise
            return False
        return bool(recipients)


@lru_cache(maxsize=100)  # the house's own address is the same in every mail
def _sanitized(address: str) -> str:
    return sanitize_address(address, settings.DEFAULT_CHARSET)


def as_bytes(message: Message) -> bytes:
    """The message as it goes to a mail server. Python's own way takes half as long again: it searches all texts for the
    boundaries between them, and parses each header to find out where it might be broken."""
    for part in message.walk():
        if part.is_multipart():
            part.set_boundary(token_hex(20))  # nobody can have written it in a text before
    file = BytesIO()
    BytesGenerator(file, mangle_from_=False, policy=ShortHeaders()).flatten(message, linesep="\r\n")
    return file.getvalue()


class ShortHeaders(Compat32):
    """Writes a header that fits on its line as it is."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        line = f"{name}: {value}"
        if isinstance(value, str) and len(line) <= LINE and line.isascii() and "\n" not in line:
            return f"{line}{self.linesep}".encode()
        return super().fold_binary(name, value)


def write_copy(message: EmailMessage, folder: Path) -> Path:
    """Write the message as one `.eml` file that appears whole or not at all. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    label = re.sub(r"[^\w-]", "", str(message.extra_headers.get("X-Outbox-Id", ""))) or "mail"
    path = folder / f"{timezone.localtime():%Y%m%d-%H%M%S-%f}-{label}.eml"
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(message.message().as_bytes())
    os.replace(unfinished, path)
    return path
