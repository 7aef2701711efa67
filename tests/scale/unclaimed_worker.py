"""The outbox worker that does not lock what it takes: the control of the mail race. Run like `manage.py`."""

import os
import sys

import django
from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "homeproductions.settings")
django.setup()

from homeproductions.mail import services  # noqa: E402  (after Django is set up)

assert services.TURN.count("FOR UPDATE SKIP LOCKED") == 1
services.TURN = services.TURN.replace("FOR UPDATE SKIP LOCKED", "")
execute_from_command_line(sys.argv)
