"""The application, stopping for ever at one named step of the webhook path: whoever tests crashes kills it there.

PAUSE_FILE names a file with the step's name in it; the process that reaches the step writes its number beside it.
"""

import os
import time
from functools import wraps
from pathlib import Path

from homeproductions.wsgi import application

from homeproductions.mail import services as outbox  # isort: skip  (models need the application)
from orders.services import deliveries, payments  # isort: skip

FILE = Path(os.environ["PAUSE_FILE"])


def pause(step):
    if FILE.exists() and FILE.read_text() == step:
        FILE.with_suffix(".pid").write_text(str(os.getpid()))
        time.sleep(600)


def around(module, name, step):
    """Stop before and after the function."""
    function = getattr(module, name)

    @wraps(function)
    def paused(*args, **kwargs):
        pause(f"before {step}")
        result = function(*args, **kwargs)
        pause(f"after {step}")
        return result

    setattr(module, name, paused)


around(deliveries, "store_delivery", "storing")
around(deliveries, "apply_delivery", "applying")
around(payments, "mark_paid", "paying")
around(outbox, "first", "mailing")

__all__ = ["application"]
