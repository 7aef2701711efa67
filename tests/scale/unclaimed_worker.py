"""The outbox worker that does not lock what it takes, and takes its time: the control of the mail race. Run like
`manage.py`."""

import os
import sys

import django
from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "homeproductions.settings")
django.setup()

from homeproductions.mail import turns  # noqa: E402  (after Django is set up)

for found, instead in (
    ("FOR UPDATE SKIP LOCKED", ""),
    ("WHERE email.id = due.id", "WHERE email.id = due.id AND (SELECT pg_sleep(0.2)::text) = ''"),
):
    assert turns.TURN.count(found) == 1
    turns.TURN = turns.TURN.replace(found, instead)
execute_from_command_line(sys.argv)
