"""What a backup is called, where it lies and how PostgreSQL is reached for it: `manage.py backup` writes it, the doctor
looks how old it is."""

import os
from collections.abc import Mapping
from pathlib import Path
from stat import S_ISREG
from typing import Any

from django.conf import settings
from django.db import connection

from .postgresql import poolers

NAME = "homeproductions-{:%Y%m%dT%H%M%SZ}.dump"
PATTERN = "homeproductions-*.dump"
# The end of its name while it is being written. A file with it is no backup yet, and may never be one.
UNFINISHED = ".part"
# The same on the server's replicas, and another on every other server.
WHICH = """
SELECT system_identifier, (SELECT oid FROM pg_database WHERE datname = current_database()) FROM pg_control_system()
"""
POOLED = (
    "{} leads through a pooler of connections (PgBouncer?). A dump would spoil those that the web servers use, so none "
    "is made. Let BACKUP_DATABASE_URL lead to PostgreSQL itself."
)
ELSEWHERE = "BACKUP_DATABASE_URL leads to another database than DATABASE_URL, so nothing is dumped."


class NoWay(Exception):
    """No dump can be made the way that the settings say; its text says why."""


def server() -> Mapping[str, Any]:
    """How PostgreSQL itself is reached, in the driver's words. Raises NoWay where the way that is known leads through a
    pooler, or to another database than that of the programs, and a database error where there is no answer."""
    ours, own = connection.copy(), connection.copy()
    if settings.BACKUP_DATABASE:
        own.settings_dict.update({"OPTIONS": {}, **settings.BACKUP_DATABASE})
    try:
        if poolers.stands_before(own):
            raise NoWay(POOLED.format("BACKUP_DATABASE_URL" if settings.BACKUP_DATABASE else "DATABASE_URL"))
        if settings.BACKUP_DATABASE and _which(own) != _which(ours):
            raise NoWay(ELSEWHERE)
    finally:
        ours.close()
        own.close()
    known: dict[str, Any] = own.get_connection_params()
    return known


def _which(database: Any) -> tuple[int, int]:
    with database.cursor() as cursor:
        cursor.execute(WHICH)
        row: tuple[int, int] = cursor.fetchone()
    return row


def newest(place: Path) -> tuple[float, int] | None:
    """When the newest backup there was written, in seconds since 1970, and how many bytes it has. None without any.
    Whatever any program has put there is one, unless its name says that it is not finished."""
    below = (Path(folder, name) for folder, _, names in os.walk(place) for name in names)
    files = [place] if place.is_file() else below
    found = [known for file in files if file.suffix != UNFINISHED and (known := _written(file))]
    return max(found, default=None)


def _written(file: Path) -> tuple[float, int] | None:
    """None for what is no file, and for one that went away, or was renamed, after it was listed."""
    try:
        known = file.stat()
    except OSError:
        return None
    return (known.st_mtime, known.st_size) if S_ISREG(known.st_mode) else None
