"""What gunicorn says about itself, as JSON lines like everything else."""

import re
from typing import Any

from gunicorn.glogging import Logger

from .logs import json_formatter, leave_request

# Nothing about who sent what we could not read.
STRANGER = re.compile(r" from ip=.*", re.DOTALL)


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
