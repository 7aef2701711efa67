"""The application behind a web server that waits for a slow client as long as IMPATIENT_SECONDS says, and for a whole
request as long as WHOLE_SECONDS."""

import os

from homeproductions import workers

workers.LONGEST_PAUSE = int(os.environ["IMPATIENT_SECONDS"])
workers.LONGEST_REQUEST = int(os.environ["WHOLE_SECONDS"])

from homeproductions.wsgi import application  # noqa: E402

__all__ = ["application"]
