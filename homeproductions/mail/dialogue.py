"""smtplib, but that each answer of the mail server has to be there in time as a whole.

Its own limit starts anew with every byte: a server that sends one now and then could hold the worker for hours, long
after the mail's lease is over and somebody else sends it as well.
"""

import smtplib
from io import BufferedReader, RawIOBase
from socket import socket
from time import monotonic
from typing import Any


class Incoming(RawIOBase):
    """What a socket receives until a moment of `time.monotonic`. Raises TimeoutError afterwards."""

    def __init__(self, sock: socket) -> None:
        self._sock = sock
        self.until = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.until - monotonic()
        if left <= 0:
            raise TimeoutError("its answer took too long")
        self._sock.settimeout(left)
        return self._sock.recv_into(buffer)


class Punctual(smtplib.SMTP):
    """Waits for each answer `timeout` seconds, its last line included. Raises SMTPServerDisconnected then."""

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            assert self.sock is not None  # smtplib asks nobody before it has one
            self._incoming = Incoming(self.sock)
            self.file = BufferedReader(self._incoming)
        self._incoming.until = monotonic() + self.timeout
        try:
            return super().getreply()
        finally:
            if self.sock is not None:
                self.sock.settimeout(self.timeout)  # for what is sent next


class PunctualSSL(Punctual, smtplib.SMTP_SSL):
    pass
