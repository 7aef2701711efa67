"""A mail server that takes everything and forgets it: `python -m bench.smtp_sink PORT FILE`.

The size of each mail becomes a line of the file.
"""

import signal
import sys
from pathlib import Path
from typing import Any, TextIO

from aiosmtpd.controller import Controller


class Sink:
    file: TextIO

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.file.write(f"{len(envelope.content)}\n")
        return "250 OK"


def main(port: str, path: str) -> None:
    # Opened, and so made, when it listens.
    sink = Sink()
    Controller(sink, hostname="127.0.0.1", port=int(port)).start()
    with Path(path).open("w", buffering=1) as sink.file:
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
