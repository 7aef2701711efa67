"""Tells whether the books are in order; for cron and for a worried operator."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orders import bookkeeping


class Command(BaseCommand):
    help = "Compare counters with the journal. Exits non-zero and names every difference."

    def handle(self, *args: Any, **options: Any) -> None:
        differences = bookkeeping.differences()
        for difference in differences:
            self.stdout.write(f"- {difference}")
        if differences:
            raise CommandError(f"{len(differences)} difference(s) between counters and journal")
        self.stdout.write("Counters and journal agree.")
