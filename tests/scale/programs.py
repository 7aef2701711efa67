"""PgBouncer and nginx for the length of a block, each with its own port of 127.0.0.1 and nothing of the system's
configuration. nginx and PgBouncer run with the files that `docs/scaling.md` hands out."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connection

from tests.outside import program
from tests.processes import PATIENCE, ROOT, free_port

IS_ROOT = os.geteuid() == 0


@contextmanager
def running(command: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """The program from the moment that it listens there."""
    with log.open("w") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=log.parent)
    try:
        wait_until_it_listens(port, process, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_it_listens(port: int, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        time.sleep(0.05)
    raise AssertionError(f"{process.args[0]} is not up:\n{log.read_text()[-2000:]}")


def changed(sample: str, *changes: tuple[str, str]) -> str:
    """One of the files that an operator copies, with lines that differ here. Each pattern must fit at least once."""
    text = (ROOT / "deploy" / sample).read_text(encoding="utf-8")
    for pattern, line in changes:
        text, count = re.subn(pattern, lambda _, line=line: line, text, flags=re.MULTILINE)
        assert count, f"nothing in {sample} looks like {pattern}"
    return text


# --- PgBouncer ------------------------------------------------------------------------------------------------


@contextmanager
def pooler(folder: Path, *, place: str = "", connections: int = 4) -> Iterator[str]:
    """PgBouncer in front of the test database, or of `place` in its words. Yields a DATABASE_URL.

    With so few connections that the programs have to share them."""
    port = free_port()
    text = changed(
        "pgbouncer.ini",
        (r"^homeproductions = .*", f"homeproductions = {place or place_of_test_database()}"),
        (r"^listen_port = .*", f"listen_port = {port}"),
        # Who may come in is not what is tested here: whoever reaches this port is let in.
        (r"^auth_type = .*\nauth_file = .*", "auth_type = any\nunix_socket_dir ="),
        (r"^default_pool_size = .*", f"default_pool_size = {connections}"),
    )
    (folder / "pgbouncer.ini").write_text(text)
    # It refuses to work for root.
    command = [program("pgbouncer"), *["-u", "nobody"] * IS_ROOT, str(folder / "pgbouncer.ini")]
    with running(command, port, folder / "pgbouncer.log"):
        yield f"postgresql://anybody@127.0.0.1:{port}/homeproductions"


def place_of_test_database(**changes: str) -> str:
    """Where the tests' database is, as PgBouncer is told."""
    known = {**connection.get_connection_params(), **changes}
    names = ("host", "port", "user", "password", "dbname")
    return " ".join(f"{name}='{known[name]}'" for name in names if known.get(name))


# --- nginx ----------------------------------------------------------------------------------------------------

MAIN = """
daemon off;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    {site}
}}
"""


def nginx_command(folder: Path, servers: Sequence[str], port: int) -> list[str]:
    """How to run nginx with the house's site, in front of these web servers."""
    lines = "\n".join(f"    server {urlsplit(each).netloc} max_fails=1 fail_timeout=5s;" for each in servers)
    site = changed(
        "nginx-two-servers.conf",
        (r"^    server 127.0.0.1:8080 .*\n    server 10.0.0.12:8080 .*", lines),
        (r"listen 80;\n    listen \[::\]:80;", f"listen 127.0.0.1:{port};"),
        (r"error_log /var/log/nginx/error.log", "error_log stderr"),
    )
    user = "user root;\n" if IS_ROOT else ""  # its workers have to get into the folder, too
    (folder / "nginx.conf").write_text(user + MAIN.format(site=site))
    return [program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]


@contextmanager
def proxy(folder: Path, servers: Sequence[str]) -> Iterator[str]:
    """nginx in front of these web servers. Yields its address."""
    port = free_port()
    with running(nginx_command(folder, servers, port), port, folder / "nginx.log"):
        yield f"http://127.0.0.1:{port}"
