#!/usr/bin/env python
"""The operator's entrance: `manage.py migrate`, `manage.py process_outbox`, `manage.py demo` and so on."""

import os
import sys

# Where the environment names no database, these work on the demo that runs in another terminal.
JOINS_A_DEMO = ("doctor", "expire_orders", "export_person", "forget", "process_outbox")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "homeproductions.settings")
    hint = ""
    if sys.argv[1:2] in (["demo"], ["demo_pay"]):
        # The demo makes its own secrets and its own database, so they must exist before settings are read.
        from homeproductions.management.demo import environment

        environment.prepare(sys.argv[2:])
    elif sys.argv[1:2] and sys.argv[1] in JOINS_A_DEMO and "--loop" not in sys.argv:
        hint = join_running_demo()
    stop_if_environment_is_incomplete(hint)
    run_or_say_what_is_with_the_database()


def join_running_demo() -> str:
    """Use the environment of this checkout's running demo, but only where none of the required variables is set: a
    server's environment is never mixed with a demo's. Returns what to say if no demo runs."""
    from homeproductions.environment import REQUIRED

    if any(os.environ.get(name, "").strip() for name in REQUIRED):
        return ""
    try:
        from homeproductions.management.demo import environment
    except ImportError:  # it needs packages that a server does not have
        return ""
    return "" if environment.join() else "\nOr start `make demo`: while it runs, this command works on it."


def stop_if_environment_is_incomplete(hint: str) -> None:
    """Django hides this error behind another one for its own commands (`check`, `migrate`)."""
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    try:
        _ = settings.INSTALLED_APPS  # the first look reads the environment
    except ImproperlyConfigured as error:
        sys.exit(f"{error}{hint}")


def run_or_say_what_is_with_the_database() -> None:
    """Cron mails what a command prints, and a release shows it: one sentence, as for whatever else goes wrong."""
    from django.core.management import execute_from_command_line
    from django.db import InterfaceError, OperationalError, ProgrammingError

    try:
        execute_from_command_line(sys.argv)
    except (OperationalError, InterfaceError) as error:
        if "--traceback" in sys.argv:
            raise
        words = " ".join(str(error).split()) or type(error).__name__
        sys.exit(
            f"The database is away, or in trouble: {words} (`manage.py doctor` says more, --traceback where it was.)"
        )
    except ProgrammingError as error:
        count = 0 if "--traceback" in sys.argv else missing_migrations(error)
        if not count:
            raise
        sys.exit(
            f"Migrations are missing ({count} not applied to this database): run `manage.py migrate`. "
            "(--traceback says where it was.)"
        )


def missing_migrations(error: Exception) -> int:
    """How many migrations are to blame for a table or column that is not there; 0 when it is our own fault.

    A migration that asks for what does not exist is such a fault, although it is not applied.
    """
    from django.db import Error, connection
    from psycopg.errors import UndefinedColumn, UndefinedTable

    if not isinstance(error.__cause__, UndefinedTable | UndefinedColumn) or sys.argv[1:2] == ["migrate"]:
        return 0
    from homeproductions.doctor.database import not_applied

    connection.close()  # whatever state the command has left it in
    try:
        return len(not_applied())
    except Error:
        return 0


if __name__ == "__main__":
    main()
