"""Makes the first admin, after `migrate` in the release step."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.services import staff
from homeproductions.errors import Refused

NOBODY = "There is no admin yet: set DEFAULT_ADMIN_EMAIL and DEFAULT_ADMIN_PASSWORD, and run it again."
NOT_THEM = "There is no admin: the login of DEFAULT_ADMIN_EMAIL is none, and is never changed. Set another address."


class Command(BaseCommand):
    help = "Make the superadmin of DEFAULT_ADMIN_EMAIL and DEFAULT_ADMIN_PASSWORD, unless that user exists."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = staff.ensure_admin()
        except Refused as error:
            raise CommandError(str(error)) from error
        if staff.has_admin():
            self.stdout.write("The first admin was made." if made else "Nothing to do.")
        else:
            # Loud, but no failure: a release goes on, and guests can buy. `doctor` says it until there is one.
            is_set = settings.DEFAULT_ADMIN_EMAIL.strip() and settings.DEFAULT_ADMIN_PASSWORD
            self.stderr.write(NOT_THEM if is_set else NOBODY)
