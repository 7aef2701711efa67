"""The settings of that release. LATE_ENGINE names another database backend, whose migrations wait without an end."""

import os

from homeproductions.settings import *  # noqa: F403
from homeproductions.settings import DATABASES, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.deploy.late"]
DATABASES["default"]["ENGINE"] = os.environ.get("LATE_ENGINE", DATABASES["default"]["ENGINE"])
