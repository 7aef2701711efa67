"""manage.py with one promise of the outbox broken, named by CARELESS: the control of the mail tests.

`new id`: every try has a Message-ID of its own. `gives up`: whatever goes wrong is final.
"""

import os
import sys
import uuid

import django
from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "homeproductions.settings")
django.setup()

from homeproductions.mail import delivery  # noqa: E402  (models need the set-up)

compose = delivery.compose


def compose_with_new_id(email, **options):
    message = compose(email, **options)
    message.extra_headers["Message-ID"] = f"<{uuid.uuid4()}@example.org>"
    return message


match os.environ["CARELESS"]:
    case "new id":
        delivery.compose = compose_with_new_id
    case "gives up":
        delivery.is_final = lambda error: True
execute_from_command_line(["manage.py", *sys.argv[1:]])
