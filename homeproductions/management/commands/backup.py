"""Writes a dump of the whole database, and lets old dumps go.

It never goes through PgBouncer: `pg_dump` takes the search path out of its session for good, and who is lent that
connection next finds no table. `BACKUP_DATABASE_URL` leads past it.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error
from django.utils import timezone

from homeproductions import backups
from homeproductions.backups import NAME, PATTERN, UNFINISHED
from homeproductions.environment import duration

PROGRAMS = ("pg_dump", "pg_restore")
MISSING = "{} is not installed. On Debian and Ubuntu: apt-get install postgresql-client"
# What libpq reads from the environment, by the name that the driver gives it. A password on a command line would stand
# in the list of processes.
VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
}


class Command(BaseCommand):
    help = (
        "Write a dump of the whole database into the folder BACKUP_PATH, for pg_restore. It gets its name once it is "
        "complete and can be read; dumps older than --keep are deleted then. Where DATABASE_URL leads to PgBouncer, "
        "BACKUP_DATABASE_URL must lead past it. The keys of .env are not in the dump: keep a copy of them apart."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", default=settings.BACKUP_PATH, metavar="FOLDER", help="instead of BACKUP_PATH")
        parser.add_argument("--keep", default="14d", metavar="TIME", help="how long, as in 36h or 14d (%(default)s)")

    def handle(self, *, to: str, keep: str, verbosity: int, **options: Any) -> None:
        folder = _folder(to)
        age = _age(keep)
        for program in PROGRAMS:
            _path(program)
        with _trouble_in(folder):
            _clear_away(folder)
            written = write(folder)
            gone = let_go(folder, timezone.now().timestamp() - age.total_seconds(), written)
        if verbosity:
            size, number = f"{written.stat().st_size:,} bytes", f"{gone} older than {keep} deleted"
            self.stdout.write(f"{written} ({size}); {number}.")


def write(folder: Path) -> Path:
    """The new dump, complete and readable by its owner alone. Raises CommandError or OSError; nothing is left behind
    then."""
    target = folder / NAME.format(timezone.now())
    part = target.with_name(target.name + UNFINISHED)
    try:
        part.touch(mode=0o600)
        known = server()
        _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={part}", known=known)
        _run("pg_restore", "--file=" + os.devnull, str(part), known=known)
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def server() -> Mapping[str, Any]:
    """How PostgreSQL itself is reached, in the driver's words. Raises CommandError."""
    try:
        return backups.server()
    except backups.NoWay as reason:
        raise CommandError(str(reason)) from reason
    except Error as error:
        raise CommandError(f"The database does not answer: {error}") from error


def let_go(folder: Path, before: float, newest: Path) -> int:
    """Delete our dumps written before that moment (seconds since 1970), never the newest. Returns how many."""
    old = [path for path in folder.glob(PATTERN) if path != newest and path.stat().st_mtime < before]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _clear_away(folder: Path) -> None:
    """What an attempt left behind that was killed; nobody writes on one for a day."""
    for path in folder.glob(PATTERN + UNFINISHED):
        if path.stat().st_mtime < timezone.now().timestamp() - 86_400:
            path.unlink(missing_ok=True)


def _folder(text: str) -> Path:
    if not text:
        raise CommandError("Say where to: set BACKUP_PATH to a folder, or give --to FOLDER.")
    folder = Path(text)
    with _trouble_in(folder):
        if not folder.is_dir():
            raise CommandError(f"{folder} is not a folder.")
        # A search (glob) would find nothing where it may not look, and old dumps would pile up.
        next(folder.iterdir(), None)
    return folder


@contextmanager
def _trouble_in(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"Cannot read and write {folder}: {error.strerror}.") from error


def _age(text: str) -> timedelta:
    try:
        return duration(text, variable="--keep")
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error


def _path(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise CommandError(MISSING.format(program))
    return path


def _run(program: str, *arguments: str, known: Mapping[str, Any]) -> None:
    variables = {VARIABLES[name]: str(known[name]) for name in VARIABLES if known.get(name)}
    command, environment = [_path(program), *arguments], {**os.environ, **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandError(f"{program} failed: {' '.join(done.stderr.split())}")
