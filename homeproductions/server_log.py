"""What gunicorn says about itself, as JSON lines like everything else."""

import re
import sys
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkExtension, InvalidChunkSize

from .logs import json_formatter, leave_request

# Nothing about who sent what we could not read.
STRANGER = re.compile(r" from ip=.*", re.DOTALL)
NO_CHUNKS = (InvalidChunkSize, ChunkMissingTerminator, InvalidChunkExtension)


class JsonLog(Logger):
    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(json_formatter())

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        text, found = STRANGER.subn("", msg)
        if found:
            leave_request()  # this one never became a request of ours; the thread still knows the one before
        super().warning(text, *args, **kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """A body whose chunks are none is its sender's fault. Gunicorn finds it after the answer, when it looks for
        the end of the request, and takes it for a broken socket."""
        if isinstance(error := sys.exc_info()[1], NO_CHUNKS):
            self.warning("the chunks of a request's body cannot be read: %s", type(error).__name__)
        else:
            super().exception(msg, *args, **kwargs)
