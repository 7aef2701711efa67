"""Forgets a person: whoever asks to be, or somebody whose data the house has no reason to keep."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from homeproductions.errors import Refused
from homeproductions.privacy import people, remains
from homeproductions.privacy.errors import StillOpen
from homeproductions.privacy.forgetting import forget
from homeproductions.privacy.people import Person


class Command(BaseCommand):
    help = "Take a person out of everything that is stored. Orders keep their money. It cannot be undone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--even-open", action="store_true", help="cancel unpaid orders, and leave what is not over")

    def handle(self, *, email: str, yes: bool, even_open: bool, **options: Any) -> None:
        try:
            self._forget(people.find(email), is_sure=yes, even_open=even_open)
        except StillOpen as refusal:
            raise CommandError("\n".join([str(refusal), *(f"- {each}" for each in refusal.matters), HINT])) from refusal
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal

    def _forget(self, person: Person, *, is_sure: bool, even_open: bool) -> None:
        if not person:
            at = people.forgotten_at(person.email)
            when = f" It was forgotten on {at:%Y-%m-%d}." if at else ""
            self.stdout.write(f"Nothing is known about {person.email}.{when}")
        else:
            self.stdout.write(_summary(person))
            if not is_sure and not self._is_confirmed():
                raise CommandError("Nothing was changed.")
            forget(person, even_open=even_open)
            self.stdout.write("Forgotten.")
        self._say_what_remains(person)

    def _is_confirmed(self) -> bool:
        if not sys.stdin.isatty():
            raise CommandError("Say --yes where nobody can be asked. Nothing was changed.")
        return input("Forget all of this for good? Type yes: ").strip().lower() == "yes"

    def _say_what_remains(self, person: Person) -> None:
        """Somebody of the same name may have ordered too, or a text on the website may name them: that is for a person
        to judge."""
        places = remains.find(person.traces)
        if not places:
            self.stdout.write(_nowhere(person))
            return
        self.stdout.write("The same address, name or telephone still stands here; look whether it is this person:")
        for place in places:
            self.stdout.write(f"- {place}")
        if unknown := _unknown(person):
            self.stdout.write(f"Only what is known was searched for; {unknown}.")


HINT = (
    "Settle that first, or say --even-open: unpaid orders are then cancelled, tickets still admit whoever has them, "
    "and nobody can write to this person any more, not even about money to be given back."
)


def _summary(person: Person) -> str:
    held = person.holdings
    counts = {
        "orders": len(held.orders),
        "payments": len(held.payments),
        "payment notices": len(held.deliveries),
        "mails": len(person.mails),
        "newsletter": len(person.subscribers),
    }
    return f"{person.email}: " + ", ".join(f"{count} {what}" for what, count in counts.items() if count) + "."


def _nowhere(person: Person) -> str:
    """Says no more than what was searched for: orders that are forgotten no longer tell how somebody was called."""
    search = "A search of the whole database finds"
    known = [what for what, texts in (("name", person.traces.names), ("telephone", person.traces.phones)) if texts]
    if not known:
        return f"{search} the address nowhere; {_unknown(person)}."
    unknown = _unknown(person)
    return f"{search} neither {', '.join(['address', *known[:-1]])} nor {known[-1]}{unknown and '; '}{unknown}."


def _unknown(person: Person) -> str:
    missing = {"names": person.traces.names, "telephone numbers": person.traces.phones}
    words = " and ".join(what for what, texts in missing.items() if not texts)
    if not words:
        return ""
    is_gone = not person and people.forgotten_at(person.email)
    return f"{words} are no longer known" if is_gone else f"{words} to search for are not known"
