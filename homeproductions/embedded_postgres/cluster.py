"""A PostgreSQL server with its data: started, shared, ended."""

import fcntl
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]
import psycopg
from psycopg import sql

from .errors import EmbeddedPostgresError
from .folders import locked, own_folder, try_exclusive
from .programs import MAJOR_VERSION, end, server_account, server_process, server_programs

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
        turn = locked(self.folder / "starting.lock")
        with turn, psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def start(self) -> Self:
        """Return once the server answers. What a killed process left behind is cleared away first."""
        own_folder(self.folder)
        self._check_path_length()
        with locked(self.folder / "starting.lock"):
            self._claim = (self.folder / "in-use.lock").open("a")
            try:
                if try_exclusive(self._claim):
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
            with locked(self.folder / "starting.lock"):
                self._release()

    def _release(self) -> None:
        assert self._claim is not None
        if try_exclusive(self._claim):
            self._end_server()
        # Closing is not enough: a forked child may hold the same lock through a copy of the file.
        fcntl.flock(self._claim, fcntl.LOCK_UN)
        self._claim.close()
        self._claim = None

    def _start_server(self) -> None:
        self._end_server()
        programs = server_programs(self.folder)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(programs)
        self._forget_reused_pid()
        if self._durable:
            self._renew_file_times()
        settings = SETTINGS if self._durable else SETTINGS | CARELESS
        options = [f"--{name}={value}" for name, value in settings.items()]
        with self.log.open("w") as log:
            command: list[str | Path] = [programs / "postgres", "-D", self.data, *options]
            self._process = subprocess.Popen(command, **server_process(self.folder, log))

    def _initialise(self, programs: Path) -> None:
        """Make the data folder under another name first: an interrupted attempt must not pass for one."""
        unfinished = self.folder / "unfinished"
        for remains in (unfinished, self.data):
            shutil.rmtree(remains, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if account := server_account():
            os.chown(unfinished, account.pw_uid, account.pw_gid)
        command: list[str | Path] = [programs / "initdb", "-D", unfinished, "-U", "postgres", "--auth=trust"]
        command += LOCALE if self._durable else (*LOCALE, "--no-sync")
        with self.log.open("w") as log:
            options = server_process(self.folder, log)
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
                if end(server, order, seconds):
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
