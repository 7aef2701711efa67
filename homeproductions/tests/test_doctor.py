"""`manage.py doctor` as cron, a monitor and an operator see it, also where looking itself goes wrong."""

import json
from datetime import timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import OperationalError, ProgrammingError

from events.models import TicketTier
from homeproductions import counters
from homeproductions.doctor import database, news
from homeproductions.doctor.checkup import NAMES, examine
from homeproductions.doctor.finding import age, ok, wrong
from homeproductions.mail.models import WorkerHeartbeat
from tests.factories import make_order


def verdicts():
    return {name: str(finding.verdict) for name, finding in examine().items()}


def test_all_is_well(well, capsys):
    call_command("doctor")

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [["ok", name] for name in NAMES]
    assert lines[-1] == "Nothing needs a person."


def test_cron_hears_nothing_when_all_is_well(well, capsys):
    call_command("doctor", verbosity=0)

    assert capsys.readouterr() == ("", "")


def test_cron_hears_only_what_is_wrong(well, capsys):
    WorkerHeartbeat.objects.all().delete()

    with pytest.raises(CommandError, match=r"^1 thing needs a person: worker$") as stop:
        call_command("doctor", verbosity=0)

    first, hint = capsys.readouterr().out.splitlines()
    assert first.split()[:2] == ["WRONG", "worker"]
    assert "process_outbox" in hint
    assert stop.value.returncode == 1


def cron(capsys, **options):
    """What cron would mail, and the exit code."""
    with pytest.raises((CommandError, SystemExit)) as stop:
        call_command("doctor", verbosity=0, only_new=True, **options)
    said = capsys.readouterr().out if isinstance(stop.value, CommandError) else ""
    return bool(said), getattr(stop.value, "returncode", None) or stop.value.code


def test_cron_hears_the_same_once_a_day(well, capsys):
    WorkerHeartbeat.objects.all().delete()
    told = []
    with time_machine.travel("2026-11-23 12:00:00Z", tick=False) as clock:
        for hours in (0, 11, 11, 3):
            clock.shift(timedelta(hours=hours))
            told.append(cron(capsys, only=["worker"]))

    assert told == [(True, 1), (False, 1), (False, 1), (True, 1)]


def test_cron_hears_what_changes(well, capsys):
    WorkerHeartbeat.objects.all().delete()
    told = [cron(capsys), cron(capsys)]
    make_order(quantity=2)
    TicketTier.objects.update(sold=5)
    told += [cron(capsys), cron(capsys)]

    assert [said for said, _ in told] == [True, False, True, False]


def test_cron_hears_the_same_again_when_it_was_well_meanwhile(well, capsys):
    beat = list(WorkerHeartbeat.objects.all())
    WorkerHeartbeat.objects.all().delete()
    told = [cron(capsys), cron(capsys)]
    WorkerHeartbeat.objects.bulk_create(beat)
    call_command("doctor", verbosity=0, only_new=True)
    assert capsys.readouterr() == ("", "")
    WorkerHeartbeat.objects.all().delete()

    assert [said for said, _ in [*told, cron(capsys)]] == [True, False, True]


def test_two_crons_with_checks_of_their_own_do_not_disturb_each_other(well, capsys):
    """As docs/scaling.md has it for a long season."""
    WorkerHeartbeat.objects.all().delete()
    make_order(quantity=2)
    TicketTier.objects.update(sold=5)
    often, seldom = [name for name in NAMES if name != "books"], ["books"]

    told = [cron(capsys, only=only) for only in (often, seldom, often, seldom, [*reversed(often), "worker"])]

    assert [said for said, _ in told] == [True, True, False, False, False]


def test_two_payments_are_news_after_one(well):
    def money(count, waits):
        return [("money", wrong(f"{count} payments to look at.", "", (f"{count}: Late, for {waits}",)))]

    told = [
        news.is_new(money(count, waits), NAMES)
        for count, waits in ((2, "119 seconds"), (2, "2 minutes"), (3, "1 hour"))
    ]

    assert told == [True, False, True]


def test_clock_that_drifts_further_is_no_news(well):
    told = [news.is_new([("clock", wrong(f"The clock here is {skew} s ahead."))], NAMES) for skew in (6, 7)]

    assert told == [True, False]


def test_where_no_note_can_be_kept_everything_is_new(well, monkeypatch):
    def away(*query):
        raise OperationalError("connection refused")

    monkeypatch.setattr(counters, "_value", away)

    assert [news.is_new([("money", wrong("2 payments"))], NAMES) for _ in range(2)] == [True, True]


def test_json_has_all_checks_in_full(well, capsys):
    make_order(quantity=2)
    TicketTier.objects.update(sold=5)

    with pytest.raises(CommandError):
        call_command("doctor", as_json=True)

    answer = json.loads(capsys.readouterr().out)
    assert (answer["status"], [check["name"] for check in answer["checks"]]) == ("needs_a_person", list(NAMES))
    [books] = [check for check in answer["checks"] if check["name"] == "books"]
    assert (books["verdict"], len(books["details"])) == ("wrong", 1)
    assert "the journal says 2" in books["details"][0]


def test_notes_alarm_nobody(well, settings, capsys):
    settings.BACKUP_PATH, settings.KEYS_ARE_DERIVED = "", True

    call_command("doctor")

    assert {name for name, verdict in verdicts().items() if verdict == "note"} == {"backups", "settings"}


def test_database_away_is_said_once(well, monkeypatch):
    def away(*query):
        raise OperationalError("connection refused")

    monkeypatch.setattr(database, "run", away)

    assert [name for name, verdict in verdicts().items() if verdict == "wrong"] == ["database"]
    assert [name for name, verdict in verdicts().items() if verdict == "note"] == [
        "migrations",
        "clock",
        "admin",
        "worker",
        "books",
        "mails",
        "money",
    ]
    assert list(examine(["books"])) == ["database", "books"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ProgrammingError("no such table lucia@example.com"), "The database refuses to say (ProgrammingError)."),
        (KeyError("lucia@example.com"), "The check itself broke (KeyError)."),
    ],
    ids=["database", "our fault"],
)
def test_check_that_breaks_is_a_finding_and_the_others_go_on(well, monkeypatch, error, message):
    def broken():
        raise error

    monkeypatch.setattr("homeproductions.doctor.checkup.NEED_THE_DATABASE", {"clock": broken, "books": lambda: ok("x")})

    findings = examine(["clock", "books"])

    assert (findings["clock"].message, findings["books"]) == (message, ok("x"))


def test_unknown_check_is_refused(well):
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("doctor", "--only", "everything")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.9, "1 second"), (119, "119 seconds"), (120, "2 minutes"), (7200, "2 hours"), (172_800, "2 days")],
)
def test_age_in_words(seconds, text):
    assert age(seconds) == text
