"""Makes the first admin, after `migrate` in the release step."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.services import staff
from homeproductions.errors import Refused


class Command(BaseCommand):
    help = "Make the superadmin of DEFAULT_ADMIN_EMAIL and DEFAULT_ADMIN_PASSWORD, unless that user exists."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = staff.ensure_admin()
        except Refused as error:
            raise CommandError(str(error)) from error
        self.stdout.write("The first admin was made." if made else "Nothing to do.")
