"""Gives back the seats of unpaid orders whose hold is over, once (for cron); the worker loop does it as well."""

from typing import Any

from django.core.management.base import BaseCommand

from orders.services.holds import expire_due


class Command(BaseCommand):
    help = "Cancel the unpaid orders whose hold is over and give their seats back. Safe to run several times at once."
    # Cron may start this every minute, and it serves no pages: loading them all to check them would be for nothing.
    requires_system_checks = ()

    def handle(self, **options: Any) -> None:
        self.stdout.write(f"expired: {expire_due()}")
