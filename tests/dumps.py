"""What somebody would have who got hold of a copy of the database: everything in it as text."""

import base64
import os
import re
import subprocess
from collections.abc import Collection, Iterator

from django.contrib.sessions.models import Session
from django.db import connection
from psycopg import sql

from tests.deploy.postgresql_programs import find

HEX = re.compile(r"\\\\x((?:[0-9a-f]{2})+)")


def everything() -> str:
    """A dump of the database of this test (`pg_dump`, where its program is at hand), with stored bytes and sessions
    made readable as well. What the test has not committed is not in a dump: then every row is read instead."""
    text = rows() if connection.in_atomic_block or not find("pg_dump") else dump()
    stored = "\n".join(bytes.fromhex(found).decode(errors="replace") for found in HEX.findall(text))
    sessions = "\n".join(str(session.get_decoded()) for session in Session.objects.all())
    return "\n".join([text, stored, sessions])


def dump() -> str:
    known = connection.get_connection_params()
    server = {"host": known.get("host"), "port": known.get("port"), "user": known.get("user")}
    options = [f"--{'username' if name == 'user' else name}={value}" for name, value in server.items() if value]
    variables = {**os.environ, "PGPASSWORD": known.get("password") or ""}
    command = [find("pg_dump"), *options, "--data-only", known["dbname"]]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout


def rows() -> str:
    return "\n".join(f"{table} {row}" for table, row in every_row())


def every_row(*, but: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """Each row of each table as JSON, with the table's name; without those of some tables."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        for table in sorted(name for (name,) in cursor.fetchall() if name not in but):
            cursor.execute(sql.SQL("SELECT to_jsonb({0})::text FROM {0}").format(sql.Identifier(table)))
            yield from ((table, row) for (row,) in cursor.fetchall())


def spellings(secret: str) -> set[str]:
    """The secret as it is and in the ways that somebody would call readable."""
    raw = secret.encode()
    coded = {base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("=")}
    return {secret, secret.upper(), secret.lower(), raw.hex(), *coded}


def found_in(text: str, secret: str) -> bool:
    return any(each in text for each in spellings(secret))
