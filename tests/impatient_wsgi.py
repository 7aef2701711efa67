"""The application behind a web server that waits for slow clients as long as IMPATIENT_SECONDS says."""

import os

from homeproductions import workers

workers.LONGEST_PAUSE = int(os.environ["IMPATIENT_SECONDS"])

from homeproductions.wsgi import application  # noqa: E402

__all__ = ["application"]
