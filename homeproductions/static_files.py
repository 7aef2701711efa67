"""Style sheets, scripts and pictures of pages: under hashed names once they are collected, as they lie until then."""

import errno
import filecmp
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders, storage
from django.contrib.staticfiles.apps import StaticFilesConfig
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.views.static import serve
from whitenoise.storage import CompressedManifestStaticFilesStorage

COLLECT = "run `manage.py collectstatic --noinput`, then restart the web server"


class StaticFiles(StaticFilesConfig):
    """Without what no page of ours asks for: a third of all files, and most of their size."""

    ignore_patterns = (*StaticFilesConfig.ignore_patterns, "redoc", "rest_framework")


class Hashed(CompressedManifestStaticFilesStorage):
    """Names with a hash of the content, from what `collectstatic` has written down. Where nothing was ever collected,
    plain names: those work as well, but browsers ask again each minute."""

    def stored_name(self, name: str) -> str:
        """Raises ValueError for a file that this code has and `collectstatic` has not seen."""
        if not self.hashed_files:
            return name
        try:
            stored: str = super().stored_name(name)
        except ValueError as error:
            raise ValueError(f"{name} is not among the collected static files: {COLLECT}.") from error
        return stored

    def compress_files(self, paths: Iterable[str]) -> Iterator[Any]:
        """Only what pages refer to: pressing everything twice takes a minute."""
        wanted = {name for name in self.hashed_files.values() if not name.endswith(".map")}
        yield from super().compress_files(wanted.intersection(paths))


def are_collected() -> bool:
    return bool(_collected())


def outdated() -> list[str]:
    """The names of this code's static files that were not collected, or with another content. Reads all of them."""
    root, known = Path(settings.STATIC_ROOT), _collected()
    return sorted(
        name
        for finder in finders.get_finders()
        for name, place in finder.list(StaticFiles.ignore_patterns)
        if name not in known or not _is_same(Path(place.path(name)), root / name)
    )


def media(request: HttpRequest, path: str) -> HttpResponseBase:
    """A file of MEDIA_ROOT. 404 also for a name that is too long for any file."""
    try:
        return serve(request, path, document_root=settings.MEDIA_ROOT)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise Http404 from error


def _collected() -> dict[str, str]:
    """Each name with its hashed one."""
    hashed: Any = storage.staticfiles_storage
    return dict(hashed.hashed_files)


def _is_same(source: Path, collected: Path) -> bool:
    try:
        return filecmp.cmp(source, collected, shallow=False)
    except FileNotFoundError:
        return False
