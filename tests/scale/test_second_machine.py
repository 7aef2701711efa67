"""What `docs/scaling.md` tells about a second web server: PostgreSQL lets its machine in, encrypted and with the
password alone, and its web server listens where nginx looks for it."""

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import environ
import psycopg
import pytest

from tests.deploy.running import DEPLOY, run
from tests.docs.reading import commands_of
from tests.outside import program
from tests.processes import ROOT, free_port
from tests.scale.programs import IS_ROOT

PAGE = ROOT / "docs" / "scaling.md"
USER = "homeproductions"
FIRST, SECOND = "10.0.0.11", "10.0.0.12"
# Encryption is built into a distribution's PostgreSQL, and not into the one that the tests carry.
DISTRIBUTION = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
SUDO = '#!/bin/sh\n[ "$1" = -u ] && shift 2\nexec "$@"\n'


def command_with(words):
    [found] = [each.text for each in commands_of(PAGE) if words in each.text]
    return found


def stand_in(folder):
    """A folder for the PATH in which `sudo` asks for nothing."""
    (folder / "stubs").mkdir()
    (folder / "stubs" / "sudo").write_text(SUDO)
    (folder / "stubs" / "sudo").chmod(0o755)
    return f"{folder / 'stubs'}{os.pathsep}{os.environ['PATH']}"


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


class Server:
    """PostgreSQL as Debian sets it up: with a certificate that nobody has signed, for this machine alone."""

    def __init__(self, folder, programs):
        self.folder, self.programs, self.port = folder, programs, free_port()
        self.data = folder / "data"
        self.account = {"user": "nobody", "group": "nogroup", "extra_groups": []} if IS_ROOT else {}
        self.do(programs / "initdb", "--pgdata", self.data, "--username=postgres", "--auth=peer", "--no-sync")
        certificate = ("-nodes", "-keyout", self.data / "server.key", "-out", self.data / "server.crt")
        self.do(program("openssl"), "req", "-new", "-x509", "-subj", "/CN=first", "-days", "2", *certificate)
        settings = f"port = {self.port}\nunix_socket_directories = '{folder}'\nssl = on\nfsync = off\n"
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(settings)
        rules = f"local all all trust\nhost {USER} {USER} ::1/128 reject\n"
        (self.data / "pg_hba.conf").write_text(rules)

    def do(self, *command):
        done = subprocess.run(command, cwd=self.folder, check=False, capture_output=True, text=True, **self.account)
        assert done.returncode == 0, done.stderr

    @contextmanager
    def started(self):
        """Until the end of the block. What listens on no address has a socket in the folder all the same."""
        self.do(self.programs / "pg_ctl", "--pgdata", self.data, "--wait", "--log", self.folder / "log", "start")
        try:
            yield
        finally:
            self.do(self.programs / "pg_ctl", "--pgdata", self.data, "--wait", "--mode=fast", "stop")


@pytest.fixture
def server():
    if not DISTRIBUTION:
        pytest.skip("there is no PostgreSQL with encryption on this machine")
    with tempfile.TemporaryDirectory(prefix="homeproductions-", dir="/var/tmp") as name:
        if IS_ROOT:
            shutil.chown(name, "nobody", "nogroup")
        yield Server(Path(name), DISTRIBUTION[-1].parent)


def open_it(server, path):
    """What the page says about PostgreSQL; both machines are this one. Returns the password that it printed."""
    words = ("ALTER ROLE homeproductions PASSWORD", "SET listen_addresses", "SHOW hba_file")
    script = "\n".join(command_with(each) for each in words).replace(FIRST, "127.0.0.1").replace(SECOND, "127.0.0.1")
    path = f"{path}{os.pathsep}{server.programs}"
    variables = {"PATH": path, "PGHOST": str(server.folder), "PGPORT": str(server.port), "PGUSER": "postgres"}
    create = f"createuser {USER}\ncreatedb --owner {USER} {USER}\n"
    done = run("bash", "-c", f"set -eu -o pipefail\n{create}{script}", **variables)
    assert done.returncode == 0, done.stderr
    return done.stderr.split()[0]


def address_on_the_page():
    [address] = re.findall(r"^DATABASE_URL=(.*sslmode.*)$", PAGE.read_text(), re.MULTILINE)
    return address


def connect(address):
    """As the settings read it."""
    options = environ.Env.db_url_config(address, engine="homeproductions.postgresql")
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    return psycopg.connect(**{names[key]: options[key] for key in names}, **options["OPTIONS"])


def test_database_lets_the_second_machine_in_and_nobody_who_listens(server, tmp_path):
    with server.started():
        password = open_it(server, stand_in(tmp_path))
    known = address_on_the_page().replace(f"{FIRST}:5432", f"127.0.0.1:{server.port}")

    with server.started():
        with connect(known.replace("THE-PASSWORD", password)) as line:
            found = line.execute("SELECT current_user, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
        assert found == (USER, True)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(known.replace("THE-PASSWORD", "guessed"))
        with pytest.raises(psycopg.OperationalError, match="no encryption"):
            psycopg.connect(host="127.0.0.1", port=server.port, user=USER, password=password, sslmode="disable")
        with pytest.raises(psycopg.OperationalError, match="no pg_hba"):
            psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", dbname="postgres")


def test_server_that_does_not_know_the_password_is_not_believed(server, tmp_path):
    """Somebody in between, who has a certificate of their own and lets in whoever comes."""
    with server.started():
        open_it(server, stand_in(tmp_path))
        rules = server.data / "pg_hba.conf"
        rules.write_text(rules.read_text().replace("scram-sha-256", "trust"))
    known = address_on_the_page().replace(f"{FIRST}:5432", f"127.0.0.1:{server.port}")

    with server.started(), pytest.raises(psycopg.OperationalError, match="channel binding required"):
        connect(known)


# --- The web server ---------------------------------------------------------------------------------------------------


@pytest.fixture
def units(tmp_path):
    """A folder like systemd's, after the lines of the page that write into it."""
    written = [each.text for each in commands_of(PAGE) if re.search(r"/etc/systemd/system/\S+\.d", each.text)]
    script = "\n".join(written).replace("/etc/systemd/system", str(tmp_path / "units"))
    (tmp_path / "units").mkdir()
    run("bash", "-c", f"set -eu -o pipefail\n{script}", PATH=stand_in(tmp_path)).check_returncode()
    return tmp_path / "units"


def test_web_server_of_the_second_machine_listens_where_nginx_looks(units):
    socket = (DEPLOY / "homeproductions-web.socket").read_text()
    text = socket + (units / "homeproductions-web.socket.d" / "address.conf").read_text()
    addresses = re.findall(r"(?m)^ListenStream=(.*)$", text)
    there = re.findall(r"(?m)^    server (\S+) ", (DEPLOY / "nginx-two-servers.conf").read_text())

    # An empty one takes back what stands before it.
    assert addresses[addresses.index("") + 1 :] == [f"{SECOND}:8080"] == there[1:]
    assert f" http://{SECOND}:8080/health" in command_with("/health")


def test_systemd_understands_what_is_changed(units):
    if not (analyze := shutil.which("systemd-analyze")):
        pytest.skip("there is no systemd on this machine")
    checkout = units / "checkout"  # systemd wants a path without a space
    checkout.symlink_to(ROOT)
    for path in [*DEPLOY.glob("*-web.service"), *DEPLOY.glob("*.socket")]:
        text = path.read_text().replace("/srv/homeproductions", str(checkout))
        text = text.replace("User=homeproductions", "User=daemon")
        (units / path.name).write_text(text)
    (units / "postgresql@.service").write_text("[Service]\nExecStart=/bin/true\n")
    names = [str(units / name) for name in ("homeproductions-web.socket", "homeproductions-web.service")]
    command = (analyze, "verify", "--man=no", *names, str(units / "postgresql@15-main.service"))
    (units / "postgresql@15-main.service").symlink_to("postgresql@.service")

    done = run(*command, SYSTEMD_UNIT_PATH=f"{units}:")
    assert (done.returncode, [line for line in done.stderr.splitlines() if str(units) in line]) == (0, [])
    for change in units.glob("*.d/address.conf"):
        change.write_text(change.read_text() + "No=such\n")
    found = run(*command, SYSTEMD_UNIT_PATH=f"{units}:").stderr
    assert len(re.findall("Unknown key.* 'No'", found)) == 2
