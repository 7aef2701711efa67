"""manage.py with one promise of the outbox broken, named by CARELESS: the control of the mail tests.

`new id`: every try has a Message-ID of its own. `gives up`: whatever goes wrong is final.

Or one that keeps them all and is killed where nobody outside could aim. `dies before it connects`: with its first mail
claimed. `dies before it notes`: with the server's word that it has the third.
"""

import os
import signal
import sys
import uuid

import django
from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "homeproductions.settings")
django.setup()

from homeproductions.mail import delivery  # noqa: E402  (models need the set-up)

compose = delivery.compose
send = delivery.Line.send
sent = []


def compose_with_new_id(email, **options):
    message = compose(email, **options)
    message.extra_headers["Message-ID"] = f"<{uuid.uuid4()}@example.org>"
    return message


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def send_and_die(line, message):
    send(line, message)
    sent.append(message)
    if len(sent) == 3:
        die()


match os.environ["CARELESS"]:
    case "new id":
        delivery.compose = compose_with_new_id
    case "gives up":
        delivery.is_final = lambda error: True
    case "dies before it connects":
        delivery.Line._dial = die
    case "dies before it notes":
        delivery.Line.send = send_and_die
execute_from_command_line(["manage.py", *sys.argv[1:]])
