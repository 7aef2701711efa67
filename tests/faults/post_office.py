"""A mail server that a test can spoil: it stops talking, is busy, refuses, hangs up at the worst moment."""

import io
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cached_property
from typing import Any

import zxingcpp
from PIL import Image

WELL = "well"
SILENT = "says nothing"
SLOW = "a letter of its greeting each second"
BUSY = "421 at the greeting"
BUSY_LATER = "421 in the middle"
DROPS = "hangs up after it took the mail, without a word"


@dataclass
class Received:
    """One mail as it came in."""

    content: bytes
    to: str
    at: float = field(default_factory=time.monotonic)

    @cached_property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.default)

    @property
    def id(self) -> str:
        return self.message["Message-ID"]

    @property
    def about(self) -> tuple[str, str]:
        """Whoever gets two mails with the same of this gets one mail twice."""
        return self.to, self.message["Subject"]

    @cached_property
    def ticket(self) -> str | None:
        """What a phone reads from the picture in the mail, if there is one."""
        pictures = [part for part in self.message.walk() if part.get_content_type() == "image/png"]
        if not pictures:
            return None
        return zxingcpp.read_barcode(Image.open(io.BytesIO(pictures[0].get_content()))).text


class PostOffice(socketserver.ThreadingTCPServer):
    """An SMTP server on loopback. `mood` and `refuses` may be changed at any time; `on_mail` is called with each mail
    that is in, before its sender hears of that; `on_recipient` before a recipient is answered."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 50

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Dialogue)
        self.mood = WELL
        self.refuses: set[str] = set()
        self.mails: list[Received] = []
        self.dropped = 0  # mails that it took without a word
        self.on_mail: Callable[[], None] = lambda: None
        self.on_recipient: Callable[[], None] = lambda: None

    @property
    def variables(self) -> dict[str, str]:
        """How the programs find it."""
        return {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(self.server_address[1]), "EMAIL_STARTTLS": "0"}

    def to(self, address: str) -> list[Received]:
        return [mail for mail in self.mails if mail.to == address]

    def tickets(self) -> list[Received]:
        return [mail for mail in list(self.mails) if mail.ticket]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that was killed is no news here."""


class Dialogue(socketserver.StreamRequestHandler):
    server: PostOffice

    def handle(self) -> None:
        if self.greets():
            while line := self.rfile.readline():
                if not self.answers(line.decode().strip()):
                    return

    def greets(self) -> bool:
        """Whether the dialogue goes on."""
        mood = self.server.mood
        while self.server.mood == mood and mood in (SILENT, SLOW):
            if mood == SLOW:
                self.wfile.write(b"2")  # and never a line's end
            time.sleep(1)
        if mood == BUSY:
            self.say("421 too busy")
        if mood in (SILENT, SLOW, BUSY):
            return False
        self.say("220 here")
        return True

    def answers(self, line: str) -> bool:
        """Whether the dialogue goes on."""
        match line[:4].upper():
            case "MAIL" if self.server.mood == BUSY_LATER:
                self.say("421 closing down")
                return False
            case "RCPT":
                self.recipient = line.partition("<")[2].partition(">")[0]
                self.server.on_recipient()
                self.say("550 nobody here" if self.recipient in self.server.refuses else "250 good")
            case "DATA":
                return self.takes()
            case "QUIT":
                self.say("221 bye")
                return False
            case _:
                self.say("250 good")
        return True

    def takes(self) -> bool:
        self.say("354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return False  # broken off: that is no mail
            lines.append(line.removeprefix(b"."))
        self.server.mails.append(Received(b"".join(lines), self.recipient))
        self.server.on_mail()
        if self.server.mood == DROPS:
            self.server.dropped += 1
            return False
        self.say("250 taken")
        return True

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def open_post_office() -> Iterator[PostOffice]:
    with PostOffice() as office:
        thread = threading.Thread(target=office.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield office
        finally:
            office.mood = WELL
            office.shutdown()
            thread.join()
