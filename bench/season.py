"""The database of the benchmark: made for it, filled with a season, and gone afterwards."""

import base64
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg.rows import dict_row

from .processes import ROOT, BenchError, Environment, manage

HERE = Path(__file__).parent
DOOR, ADMIN = "door@bench.example", "admin@bench.example"
EVENTS, TIERS = 20, 80
# What the shell may say about the server that is measured; all else of .env.example is said here.
KEPT = {"WEB_CONCURRENCY", "HOMEPRODUCTIONS_DATA"}


@dataclass(frozen=True)
class Season:
    """A filled database and the environment of the programs that work on it."""

    url: str
    orders: int
    environment: Environment

    def execute(self, sql: str, values: dict[str, Any] | None = None) -> None:
        with psycopg.connect(self.url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
            connection.execute(sql, values)

    def rows(self, sql: str, values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(sql, values).fetchall()

    def reset(self) -> None:
        """Take back what the load did, and tidy up so that no later measurement pays for it."""
        self.execute((HERE / "reset.sql").read_text(encoding="utf-8"))
        self.execute("VACUUM")

    def numbers(self, share: float, until: float) -> range:
        """The numbers of the orders between two shares of the season, as season.sql distributes them."""
        return range(int(self.orders * share) + 1, int(self.orders * until) + 1)

    @property
    def inside(self) -> range:
        return self.numbers(0, 0.5)

    @property
    def at_the_door(self) -> range:
        """Paid and not let in yet."""
        return self.numbers(0.5, 0.84)

    @property
    def unpaid(self) -> range:
        return self.numbers(0.84, 0.94)


@contextmanager
def filled(server: str, orders: int, extra: Environment) -> Iterator[Season]:
    """A database of its own on that server with a season of so many orders, dropped at the end of the block."""
    with new_database(server) as url:
        season = Season(url, orders, environment(url, extra))
        manage("migrate --verbosity 0", season.environment)
        manage("ensure_admin", season.environment)
        fill(season)
        yield season


def fill(season: Season) -> None:
    inner, outer = (bytes(byte ^ pad for byte in season.environment["TICKET_KEY"].encode()) for pad in (0x36, 0x5C))
    sql = (HERE / "season.sql").read_text(encoding="utf-8")
    season.execute(sql, {"orders": season.orders, "door_email": DOOR, "inner_key": inner, "outer_key": outer})
    season.execute("VACUUM ANALYZE")
    with suppress(psycopg.errors.InsufficientPrivilege):
        season.execute("CHECKPOINT")  # or it would come during the first profiles
    check_books(season)


def check_books(season: Season) -> None:
    """Raises BenchError naming what does not add up."""
    manage("doctor --only books", season.environment)


def environment(url: str, extra: Environment) -> Environment:
    """As in production, with secrets of its own and the limits off."""
    known = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)) - KEPT
    return {
        **{name: value for name, value in os.environ.items() if name not in known},
        "DATABASE_URL": url,
        "JWT_SECRET": secrets.token_urlsafe(48),
        "JWT_REFRESH_SECRET": secrets.token_urlsafe(48),
        "SECRET_KEY": secrets.token_urlsafe(48),
        "TICKET_KEY": secrets.token_hex(32),  # a block of SHA-256, so that season.sql can derive with it
        "PAYMENT_WEBHOOK_SECRETS": "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "DEFAULT_ADMIN_EMAIL": ADMIN,
        "DEFAULT_ADMIN_PASSWORD": secrets.token_urlsafe(24),
        "RATE_LIMIT_ENABLED": "0",
        "DATABASE_PREPARE": "1",  # there is no PgBouncer in between
        **extra,
    }


# --- Where it lies --------------------------------------------------------------------------------------------


@contextmanager
def database_server(is_careless: bool) -> Iterator[str]:
    """The URL of the server of DATABASE_URL, or of an embedded one that runs for the length of the block."""
    if given := os.environ.get("DATABASE_URL", "").strip():
        yield given
    else:
        with embedded_server(is_careless) as url:
            yield url


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """An empty database beside the one that the URL names, which is not touched."""
    name = f"homeproductions_bench_{secrets.token_hex(4)}"
    with _connected(server) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        with _connected(server) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def embedded_server(is_careless: bool) -> Iterator[str]:
    """In production what is committed is on disk, and so it is here, unless somebody wants to do without the disk."""
    # Not needed, and on Windows not even importable, where DATABASE_URL names a server.
    from homeproductions import embedded_postgres
    from homeproductions.embedded_postgres.cluster import Cluster

    base = os.environ.get("HOMEPRODUCTIONS_DATA") or "/var/tmp"  # noqa: S108 (as the demo and the tests)
    folder = Path(tempfile.mkdtemp(prefix="homeproductions-bench-", dir=base))
    try:
        cluster = Cluster(folder, durable=not is_careless).start()
        try:
            yield cluster.url("postgres")
        finally:
            cluster.stop()
    finally:
        embedded_postgres.discard(folder)


@contextmanager
def _connected(server: str) -> Iterator[psycopg.Connection[Any]]:
    try:
        connection = psycopg.connect(server, autocommit=True)
    except psycopg.OperationalError as error:
        raise BenchError(f"PostgreSQL does not answer: {error}") from error
    with connection:
        yield connection
