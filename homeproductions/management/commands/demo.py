"""The whole system in one foreground process: database, season, web server, outbox worker."""

import io
import logging
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from homeproductions.embedded_postgres import CHECKOUT
from homeproductions.management.demo import environment, media, ownership, running, season, staff
from homeproductions.management.demo.instructions import instructions, interpreter, local_url

START_PATIENCE = 60  # seconds until the web server must answer
WATCH_INTERVAL = 0.3
PYTHON = sys.executable
# Through the interpreter: the path in a console script's first line breaks when the checkout moves. A browser that
# stays connected must not make whoever pressed Ctrl-C wait for 20 seconds.
GUNICORN = [PYTHON, "-m", "gunicorn", "homeproductions.wsgi", "-c", "gunicorn.conf.py", "--graceful-timeout", "2"]
WORKER = [PYTHON, "manage.py", "process_outbox", "--loop", "--interval", "2"]


@dataclass
class Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join([f"{self.log} ends with:", *lines[-15:]])


class Command(BaseCommand):
    help = "Run the whole system with a season of events and logins of its own, until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        # Done before the settings are read (management/demo/environment.py); here for --help.
        parser.add_argument("--reset", action="store_true", help="only delete the demo's data, then end")

    def handle(self, **options: Any) -> None:
        # Log lines of this process would stand between its own; the children log into files.
        logging.disable(logging.WARNING)
        try:
            self.fill()
            with children(environment.demo_folder()) as family:
                self.serve(family)
        except environment.Stop:
            self.stdout.write("\nStopping")
        finally:
            disconnect()
            environment.close()
        self.stdout.write("Stopped. The data are kept for the next `make demo`.")

    def fill(self) -> None:
        """Tables and season, unless they are there already."""
        passwords = environment.passwords()
        try:
            # Past the pool, which would only say after ten seconds that it has no connection.
            psycopg.connect(**connection.get_connection_params()).close()
            ownership.refuse_foreign_database()
        except ownership.ForeignDatabase as refusal:
            raise CommandError(
                f"The demo does not use this database: {refusal}. Nothing in it was changed. "
                "Give DATABASE_URL an empty one, or leave it out for a PostgreSQL of the demo's own."
            ) from refusal
        except psycopg.OperationalError as error:
            raise CommandError(f"The database of DATABASE_URL does not answer: {error}") from error
        self.stdout.write("Preparing the tables")
        call_command("migrate", verbosity=0, interactive=False)
        if ownership.is_filled():
            self.stdout.write("The season is there already")
            staff.make_staff(passwords)
            media.correct_urls()
        else:
            self.stdout.write("Filling a season")
            season.fill(passwords=passwords, say=self.say)
        # After the season: a user made before it would pass for somebody else's.
        call_command("ensure_admin", stdout=io.StringIO())
        if settings.MEDIA_ROOT:
            media.draw_missing_pictures(Path(settings.MEDIA_ROOT), self.say)
            media.write_payment_page(Path(settings.MEDIA_ROOT), interpreter())

    def say(self, text: str) -> None:
        self.stdout.write(f"  {text}")

    def serve(self, family: list[Child]) -> None:
        """Wait until the web server answers, say what to do, and watch over the children."""
        self.stdout.write("Starting the web server and the outbox worker")
        deadline = time.monotonic() + START_PATIENCE
        while not is_healthy():
            complain_about_the_dead(family)
            if time.monotonic() > deadline:
                raise CommandError(f"The web server does not answer.\n{family[0].last_words()}")
            time.sleep(0.1)
        folder = environment.demo_folder()
        self.stdout.write(instructions(passwords=environment.passwords(), folder=folder))
        disconnect()
        while True:
            complain_about_the_dead(family)
            time.sleep(WATCH_INTERVAL)


def disconnect() -> None:
    """Give up this process's own connections: it only waits now, and PostgreSQL must not end under them."""
    connection.close()


@contextmanager
def children(folder: Path) -> Iterator[list[Child]]:
    """The web server and the outbox worker, ended in this order when the block is left, however it is left."""
    family: list[Child] = []
    try:
        # Only for this machine: nobody else in the café is invited to the demo.
        web = [*GUNICORN, "--bind", f"127.0.0.1:{settings.PORT}"]
        for name, command in (("web", web), ("worker", WORKER)):
            family.append(start(name, command, folder))
        if environment.claim:
            environment.claim.note_processes(child.process.pid for child in family)
        yield family
    finally:
        environment.ignore_signals()
        for child in family:
            running.end_group(child.process.pid)
            child.process.wait()


def start(name: str, command: list[str], folder: Path) -> Child:
    log = folder / f"{name}.log"
    with log.open("wb") as file:
        # A group of its own: Ctrl-C in the terminal is for us alone, so that they end one after the other.
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Child(name, process, log)


def complain_about_the_dead(family: list[Child]) -> None:
    for child in family:
        if (code := child.process.poll()) is not None:
            raise CommandError(f"The {child.name} process ended by itself (exit code {code}).\n{child.last_words()}")
    if not environment.database_is_up():
        raise CommandError("PostgreSQL ended by itself.")


def is_healthy() -> bool:
    # No proxy: the server is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{local_url()}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
