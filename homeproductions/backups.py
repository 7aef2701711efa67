"""What a backup is called and where it lies: `manage.py backup` writes it, the doctor looks how old it is."""

import os
from pathlib import Path
from stat import S_ISREG

NAME = "homeproductions-{:%Y%m%dT%H%M%SZ}.dump"
PATTERN = "homeproductions-*.dump"
# The end of its name while it is being written. A file with it is no backup yet, and may never be one.
UNFINISHED = ".part"


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
