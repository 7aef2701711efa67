"""The application, with the image host on this machine (IMAGE_HOST), for a browser to upload to."""

import os

from homeproductions import pictures

pictures.HOST = os.environ["IMAGE_HOST"]

from tests.shared_wsgi import application  # noqa: E402

__all__ = ["application"]
