"""Writes everything that is known about a person, for whoever asks what we know about them."""

import json
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from homeproductions.errors import Refused
from homeproductions.privacy import people
from homeproductions.privacy.export import export


class Command(BaseCommand):
    help = "Write all that is known about a person as JSON: orders, payments, mails, newsletter, history."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--output", type=Path, metavar="FILE", help="a new file; otherwise it is printed")

    def handle(self, *, email: str, output: Path | None, **options: Any) -> None:
        try:
            person = people.find(email)
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        text = json.dumps(export(person), cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)
        if output is None:
            self.stdout.write(text)
            return
        try:
            with open(output, "x", encoding="utf-8", opener=_for_the_owner_only) as file:
                file.write(text + "\n")
        except OSError as error:
            raise CommandError(f"{output}: {error.strerror}") from error
        self.stderr.write(f"Written to {output}.")


def _for_the_owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)
