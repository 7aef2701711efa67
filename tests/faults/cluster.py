"""A PostgreSQL of a scenario's own, which it may stop, kill and choke."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from homeproductions.embedded_postgres.cluster import Cluster
from tests.deploy import postgresql_programs

from .house import House


@contextmanager
def data_folder(parent: Path | None = None) -> Iterator[Path]:
    """An empty folder that other users may pass to reach: the server does not run as root."""
    base = parent or os.environ.get("HOMEPRODUCTIONS_DATA") or "/var/tmp"
    folder = Path(tempfile.mkdtemp(prefix="homeproductions-faults-", dir=base))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_cluster(parent: Path | None = None) -> Iterator[Cluster]:
    """A server that has on disk what it acknowledged, as in production, deleted at the end. The throw-away one of the
    other tests does not wait for its disk."""
    with data_folder(parent) as folder:
        cluster = Cluster(folder)
        try:
            yield cluster.start()
        finally:
            cluster.stop()


def move(house: House, cluster: Cluster, name: str) -> None:
    """From now on the house works on a copy of its database in that cluster."""
    cluster.create_database(name)
    copy(house, cluster.url(name))


def copy(house: House, url: str) -> None:
    """From now on the house works on a copy of its database: the empty one of this URL is filled with it."""
    programs = Path(postgresql_programs.folder())
    command = [programs / "pg_dump", "--no-owner", f"--dbname={house.url}"]
    dump = subprocess.run(command, capture_output=True, check=True).stdout
    psql = [programs / "psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={url}"]
    subprocess.run(psql, input=dump, stdout=subprocess.DEVNULL, check=True)
    house.url = url


def processes(cluster: Cluster) -> list[psutil.Process]:
    """The server and whatever it has started; none if it is down."""
    with suppress(OSError, ValueError, psutil.NoSuchProcess):
        server = psutil.Process(int((cluster.data / "postmaster.pid").read_text().split()[0]))
        if server.status() != psutil.STATUS_ZOMBIE:
            return [server, *server.children(recursive=True)]
    return []


def stop(cluster: Cluster, how: signal.Signals | None) -> None:
    """A clean stop (None), an immediate one (SIGQUIT), or all its processes killed at once (SIGKILL)."""
    if how is not None:
        server, *children = processes(cluster)
        for process in (server, *children) if how == signal.SIGKILL else (server,):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(how)
        _, alive = psutil.wait_procs([server, *children], timeout=60)
        assert not alive
    cluster.stop()
