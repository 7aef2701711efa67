"""What `docs/scaling.md` hands out: its commands set a pooler up that lets in who knows the password, and its rates are
those of the benchmark."""

import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

from bench.ceilings import pgbench_program
from homeproductions.embedded_postgres import throwaway
from tests.outside import program
from tests.processes import ROOT, free_port
from tests.scale.programs import IS_ROOT, running

PAGE = ROOT / "docs" / "scaling.md"
USER = "homeproductions"
# What a machine has and a test has not. Everything else of the commands is run as it stands.
STUBS = {
    "sudo": '#!/bin/sh\n[ "$1" = -u ] && shift 2\nexec "$@"\n',
    "apt-get": "#!/bin/sh\n",
    "systemctl": "#!/bin/sh\n",
    "chown": "#!/bin/sh\n",
}


@pytest.fixture
def folder():
    """One that the account of PgBouncer may look into."""
    with tempfile.TemporaryDirectory(prefix="homeproductions-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def cluster():
    """Where the account of the programs needs a password, and has none yet."""
    with throwaway() as cluster:
        cluster.create_database(USER)
        with psycopg.connect(cluster.url("postgres"), autocommit=True) as server:
            server.execute(f"CREATE ROLE {USER} LOGIN")
            [rules] = server.execute("SHOW hba_file").fetchone()
            Path(rules).write_text("local all postgres trust\nlocal all all scram-sha-256\n")
            server.execute("SELECT pg_reload_conf()")
        yield cluster


def set_up(folder, cluster):
    """Do what the page says. Returns the password that it printed."""
    [block] = re.findall(r"^```text\n(sudo .*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    stubs = folder / "stubs"
    stubs.mkdir()
    for name, text in STUBS.items():
        (stubs / name).write_text(text)
        (stubs / name).chmod(0o755)
    program("openssl")
    # psql lies beside pgbench.
    path = f"{stubs}:{pgbench_program().parent}:{os.defpath}"
    variables = {"PATH": path, "PGHOST": str(cluster.data), "PGUSER": "postgres"}
    script = "set -eu -o pipefail\n" + block.replace("/etc/pgbouncer", str(folder))
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr.split()[0]


def test_the_commands_of_the_page_set_a_pooler_up(folder, cluster):
    password = set_up(folder, cluster)
    users, settings, port = folder / "userlist.txt", folder / "pgbouncer.ini", free_port()
    assert stat.S_IMODE(users.stat().st_mode) == 0o640
    if IS_ROOT:
        shutil.chown(users, "nobody")
    text = settings.read_text().replace("host=127.0.0.1 port=5432", f"host={cluster.data}")
    text = text.replace("/etc/pgbouncer/userlist.txt", str(users))
    settings.write_text(text.replace("listen_port = 6432", f"listen_port = {port}\nunix_socket_dir ="))

    with running([program("pgbouncer"), *["-u", "nobody"] * IS_ROOT, str(settings)], port, folder / "pgbouncer.log"):
        address = f"postgresql://{USER}:{{}}@127.0.0.1:{port}/{USER}"
        with psycopg.connect(address.format(password)) as line:
            assert line.execute("SELECT current_user").fetchone() == (USER,)
        with pytest.raises(psycopg.OperationalError, match="authentication failed"):
            psycopg.connect(address.format("guessed"))


def test_the_rates_are_those_of_the_last_table():
    [told] = re.findall(r"^## What one box carries\n(.*?)^## ", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    rates = re.findall(r"^\|[^|]+\| ([0-9 ]+) \|", told, re.MULTILINE)
    table = (ROOT / "bench" / "README.md").read_text()
    measured = re.findall(r"^\| (?:GET|POST|2000 ).*?\| +(\d+) \(", table, re.MULTILINE)

    assert len(rates) > 8
    assert {rate.replace(" ", "") for rate in rates} <= set(measured)
