"""The database: does it answer, does it fit this code, does it agree about the time?"""

import time

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

from homeproductions.postgresql import poolers
from homeproductions.statements import run

from .finding import Finding, ok, plural, wrong

OLDEST_MAJOR = 14
# Staff tokens are believed for 10 seconds around their times, and signed links and holds compare both clocks.
SKEW_ALLOWED = 5.0  # seconds


def database() -> Finding:
    """Connects, and asks something."""
    try:
        run("SELECT 1", ())
        started = time.perf_counter()
        [version] = run("SHOW server_version", ())
    except Error as error:
        hint = "Is PostgreSQL running, and is DATABASE_URL right (host, port, user, password, name)?"
        return wrong("The database does not answer.", hint, (" ".join(str(error).split()),))
    milliseconds = (time.perf_counter() - started) * 1000
    major = int(str(version).partition(".")[0])
    if major < OLDEST_MAJOR:
        return wrong(f"PostgreSQL {version} is too old.", f"Move to PostgreSQL {OLDEST_MAJOR} or newer.")
    if settings.DATABASE_PREPARE and poolers.stands_before(connection):
        hint = (
            "Leave DATABASE_PREPARE empty: the next transaction gets another connection, which knows no such statement."
        )
        return wrong("Statements are prepared, but a pooler (PgBouncer?) lends the connections: guests get 500.", hint)
    return ok(f"PostgreSQL {str(version).split()[0]} answers in {milliseconds:.1f} ms.")


def migrations() -> Finding:
    """Whether all migrations of this code are applied. One that the code does not know is a later release's."""
    if names := not_applied():
        return wrong(f"{plural(len(names), 'migration')} not applied.", "Run `manage.py migrate`.", names)
    return ok("All migrations are applied.")


def not_applied() -> tuple[str, ...]:
    """The migrations of this code that the database does not have, in the order in which they would be applied."""
    loader = (executor := MigrationExecutor(connection)).loader
    waiting = [migration for migration, _ in executor.migration_plan(loader.graph.leaf_nodes())]
    return tuple(f"{migration.app_label}.{migration.name}" for migration in waiting)


def clock() -> Finding:
    """This host's time against the database's. The answer's way back counts half."""
    before = time.time()
    [theirs] = run("SELECT extract(epoch FROM clock_timestamp())::float8", ())
    after = time.time()
    skew = (before + after) / 2 - theirs
    if abs(skew) <= SKEW_ALLOWED + (after - before) / 2:
        return ok(f"This host and the database agree about the time ({abs(skew):.2f} s apart).")
    word = "ahead of" if skew > 0 else "behind"
    return wrong(f"The clock here is {abs(skew):.0f} s {word} the database's.", "Let both hosts set theirs by NTP.")
