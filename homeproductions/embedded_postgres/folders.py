"""Folders closed to other users, and locks that keep the processes apart that share one."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .errors import EmbeddedPostgresError
from .programs import server_account


def own_folder(path: Path) -> Path:
    """Make a folder closed to other users. Refuses what somebody else has put in its place."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise EmbeddedPostgresError(f"{path} is not ours: set HOMEPRODUCTIONS_DATA to another folder.")
    if account := server_account():
        os.chown(path, -1, account.pw_gid)
        path.chmod(0o710)
    else:
        path.chmod(0o700)
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time is in the block; the others wait for it, and for nobody who was killed in it."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def try_exclusive(file: IO[str]) -> bool:
    """Whether nobody else holds this lock. A process that is killed no longer does."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
