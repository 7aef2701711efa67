"""`make bench`: measures each profile and its ceiling in turn and prints how close the one comes to the other."""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from . import sizes
from .ceilings import pgbench_program
from .check import Books
from .house import House, Memory
from .load import wrk_program
from .processes import BenchError, web_server
from .profiles import PROFILES, Profile
from .season import check_books, database_server, filled
from .table import Row, as_data, memory_table, table

# Also SIGINT: a shell starts background jobs with that ignored.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    options = parse()
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)
    try:
        sys.exit(bench(options))
    except BenchError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _stop(number: int, frame: FrameType | None) -> None:
    for each in STOP_SIGNALS:  # a second Ctrl-C must not leave half of it running
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--profile", action="append", choices=[each.name for each in PROFILES], metavar="NAME")
    parser.add_argument("--list", action="store_true", help="name the profiles, then end")
    parser.add_argument(
        "--sizes", action="store_true", help="instead: bytes for each order, and how long the office waits"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each profile and its ceiling are measured (5)")
    parser.add_argument("--seconds", type=int, default=4, help="how long each time (4)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--orders", type=int, default=100_000, help="the size of the season (100000)")
    parser.add_argument("--careless", action="store_true", help="let the embedded PostgreSQL not wait for the disk")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a variable of the server")
    return parser.parse_args()


def bench(options: argparse.Namespace) -> int:
    """Returns the exit code: 1 when the data or the answers are wrong; a ratio that is missed is only said."""
    if options.list:
        print("\n".join(f"{each.name:<20}{each.title}" for each in PROFILES))
        return 0
    if options.sizes:
        with opened(options) as house:
            sizes.report(house)
        return 0
    wrk_program()  # what is missing would otherwise be found out after minutes
    pgbench_program()
    chosen = [each for each in PROFILES if not options.profile or each.name in options.profile]
    with opened(options) as house:
        facts = machine(house, options)
        say(", ".join(f"{name} {value}" for name, value in facts.items()))
        rows = [measured(each, house, options.rounds) for each in chosen]
        house.note_memory()
        check_books(house.season)
    memory = [each for each in (house.web_memory, house.mail_memory) if each.found]
    report(rows, memory)
    if options.json:
        options.json.write_text(json.dumps(as_data(facts, rows, memory), indent=2) + "\n", encoding="utf-8")
    faults = house.books.faults + [f"{row.name}: {row.errors} wrong answers" for row in rows if row.errors]
    for fault in faults:
        print(f"WRONG: {fault}")
    return 1 if faults else 0


def machine(house: House, options: argparse.Namespace) -> dict[str, object]:
    """What the figures were measured on. Whoever compares them needs it, and whether the machine was idle."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processors": os.cpu_count(),
        "load before": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "Python": platform.python_version(),
        "PostgreSQL": house.season.rows("SHOW server_version")[0]["server_version"],
        "orders": options.orders,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "careless": options.careless,
    }


def report(rows: list[Row], memory: list[Memory]) -> None:
    parts = [table(rows), "\n".join(note for row in rows for note in row.notes)]
    parts.append(memory_table(memory))
    print("\n\n".join(part for part in parts if part))


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[House]:
    """PostgreSQL, a filled season and the web server, for the length of a block."""
    extra = dict(each.partition("=")[::2] for each in options.set)
    with (
        tempfile.TemporaryDirectory(prefix="homeproductions-bench-") as folder,
        database_server(options.careless) as place,
    ):
        say(f"Filling a season of {options.orders} orders")
        with (
            filled(place, options.orders, extra) as season,
            web_server(season.environment, Path(folder) / "web.log") as server,
        ):
            yield House(place, season, server, Books(season), Path(folder), options.seconds)


def measured(profile: Profile, house: House, rounds: int) -> Row:
    """The profile and its ceiling, one after the other and again, so that a noisy moment hits both."""
    row = Row(profile.name, profile.title, profile.against, profile.reach)
    rounds = min(rounds, profile.most_rounds)
    house.server.is_warm = False
    with profile.open(house) as sides:
        for number in range(1, rounds + 1):
            row.add(sides.real(), sides.ceiling())
            say(f"{profile.title}, round {number} of {rounds}: {row.real[-1].rate:.0f}/s, ratio {row.ratios[-1]:.2f}")
    return row


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
