"""One page about how this system is: for cron, for a monitor, and for a worried operator."""

import json
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from homeproductions.doctor import news
from homeproductions.doctor.checkup import NAMES, examine
from homeproductions.doctor.finding import Finding, Verdict, plural
from homeproductions.fields import timestamp

SHOWN_DETAILS = 20


class Command(BaseCommand):
    help = (
        "Look at everything that may go wrong, and change nothing. Exits with 0 when all is fine and with 1 when "
        "something needs a person. With `-v 0` it prints only that, and with `--new` nothing that it said already, as "
        "suits cron."
    )
    # It looks at the settings itself, and must have its say whatever is wrong with them.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="for programs: one JSON object")
        parser.add_argument(
            "--new",
            action="store_true",
            dest="only_new",
            help="say nothing while the same needs a person as when the same was looked at last, for up to a day",
        )
        parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="CHECK", help=", ".join(NAMES))

    def handle(self, *, as_json: bool, only_new: bool, only: list[str], verbosity: int, **options: Any) -> None:
        findings = examine(only)
        wrong = [name for name, finding in findings.items() if finding.verdict == Verdict.WRONG]
        if only_new and not news.is_new([(name, findings[name]) for name in wrong], only) and wrong:
            sys.exit(1)
        if as_json:
            self.stdout.write(json.dumps(in_full(findings), indent=2))
        else:
            shown = findings if verbosity else {name: findings[name] for name in wrong}
            for name, finding in shown.items():
                self.stdout.write("\n".join(lines(name, finding)))
        if wrong:
            verb = "needs" if len(wrong) == 1 else "need"
            raise CommandError(f"{plural(len(wrong), 'thing')} {verb} a person: {', '.join(wrong)}")
        if verbosity and not as_json:
            self.stdout.write("Nothing needs a person.")


def lines(name: str, finding: Finding) -> list[str]:
    """`WRONG  worker      No worker ...`, and below it what is behind it and what to do."""
    word = finding.verdict.upper() if finding.verdict == Verdict.WRONG else str(finding.verdict)
    more = len(finding.details) - SHOWN_DETAILS
    below = [f"- {detail}" for detail in finding.details[:SHOWN_DETAILS]]
    below += [f"- and {more} more (--json has all)"] * (more > 0)
    below += [f"> {finding.hint}"] * bool(finding.hint)
    return [f"{word:6} {name:11} {finding.message}", *(f"{'':18} {line}" for line in below)]


def in_full(findings: dict[str, Finding]) -> dict[str, Any]:
    is_wrong = any(finding.verdict == Verdict.WRONG for finding in findings.values())
    return {
        "status": "needs_a_person" if is_wrong else "fine",
        "version": settings.VERSION,
        "timestamp": timestamp(timezone.now()),
        "checks": [
            {
                "name": name,
                "verdict": finding.verdict,
                "message": finding.message,
                "hint": finding.hint,
                "details": list(finding.details),
            }
            for name, finding in findings.items()
        ],
    }
