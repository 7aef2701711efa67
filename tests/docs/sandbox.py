"""A machine for one page: a copy of the checkout, servers for data and mail, and folders in place of the real ones."""

import os
import subprocess
import sys
from pathlib import Path

from homeproductions.embedded_postgres.cluster import Cluster
from tests.deploy import image, postgresql_programs
from tests.docs import stubs
from tests.outside import SYSTEM
from tests.processes import ROOT, free_port

MARK = "@@ command "
PATIENCE = 600  # seconds, for what takes 30 on an idle machine
FOLDERS = (
    "run",
    "etc/systemd/system",
    "etc/cron.d",
    "etc/nginx/sites-available",
    "etc/nginx/sites-enabled",
    "var/backups",
)
# Programs that stay in the foreground, and what each says once it is there. Then it is asked to stop, and must do so.
STAYS = {"gunicorn ": "Booting worker", "python manage.py process_outbox --loop": "outbox worker started"}
STAY = """stays() {
  sign=$1; shift
  "$@" >stays.log 2>&1 &
  for _ in $(seq 600); do grep -q "$sign" stays.log && break; kill -0 $! || break; sleep 0.2; done
  cat stays.log; grep -q "$sign" stays.log; kill $!; wait $!
}"""
ASKS = "python manage.py forget "  # and nobody is there to answer
# Where a dump is restored, nothing has run yet, and what was saved has just been copied there.
NEW_MACHINE = """systemctl stop homeproductions-web.service homeproductions-worker.service
sudo -u postgres dropdb homeproductions
sudo -u postgres createdb --owner homeproductions homeproductions
mv .env ~/saved.env
mv /var/backups/homeproductions/*.dump ~
rmdir /var/backups/homeproductions"""
# A second machine has the settings of the first, and another way to its data.
FIRST_ENV = """python3 deploy/new_env.py https://tickets.example >~/first.env
sed -i "s|^DATABASE_URL=.*|DATABASE_URL=$DATABASE_URL|; s|^BACKUP_PATH=.*|BACKUP_PATH=|" ~/first.env"""
COMES_BEFORE = {
    "sudo install -m 600 -o homeproductions -g homeproductions ~/saved.env ": NEW_MACHINE,
    "sudo install -m 600 -o homeproductions -g homeproductions ~/first.env ": FIRST_ENV,
    # Where the page is about a machine that is set up.
    'sudo -u postgres psql --command "ALTER ROLE homep': "sudo -u postgres createuser homeproductions || true",
}


class Sandbox:
    def __init__(self, root: Path, cluster: Cluster, mail_port: int) -> None:
        self.root, self.cluster, self.mail_port = root, cluster, mail_port
        self.home = root / "srv" / "homeproductions"
        self.port = free_port()
        for folder in FOLDERS:
            (root / folder).mkdir(parents=True, exist_ok=True)
        stubs.write(root / "stubs", root)
        self._copy_checkout()

    def here(self, text: str) -> str:
        """The same with the places of this machine."""
        for place, mine in (
            ("/srv/homeproductions", self.home),
            ("/var/backups", self.root / "var/backups"),
            ("/var/run/postgresql", self.cluster.data),
            ("/etc/systemd/system", self.root / "etc/systemd/system"),
            ("/etc/cron.d", self.root / "etc/cron.d"),
            ("/etc/nginx/sites-", f"{self.root}/etc/nginx/sites-"),
            ("http://127.0.0.1:8080", f"http://127.0.0.1:{self.port}"),
            ("http://10.0.0.12:8080", f"http://127.0.0.1:{self.port}"),
            ("PORT=8080", f"PORT={self.port}"),
        ):
            text = text.replace(place, str(mine))
        return text

    def run(self, commands: list[str], **variables: str) -> tuple[str, str]:
        """One shell for all of them, as for whoever types them. Returns what failed (nothing: "") and all output."""
        lines = [f"echo '{MARK}{number}'\n{self._fit(text)}" for number, text in enumerate(commands)]
        script = "\n".join(["set -e -o pipefail", STAY, *lines, f"echo '{MARK}{len(commands)}'"])
        environment = {**self._environment(), **variables}
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        reached = int(done.stdout.rpartition(MARK)[2].split()[0])
        return ("" if reached == len(commands) else commands[reached]), done.stdout

    def stop(self) -> None:
        """End what `systemctl` has started."""
        for pid in (self.root / "run").glob("*.service"):
            subprocess.run([self.root / "stubs" / "systemctl", "stop", pid.name], check=False)

    def _fit(self, text: str) -> str:
        before = [lines for start, lines in COMES_BEFORE.items() if text.startswith(start)]
        text = "\n".join([*before, text])
        text = self.here(text)
        if "deploy/new_env.py" in text and ".env" in text:
            text += "\n" + self._fill_in()
        if text.startswith(ASKS):
            text += " --yes"
        signs = [sign for start, sign in STAYS.items() if text.startswith(start)]
        return f"stays '{signs[0]}' {text}" if signs else text

    def _fill_in(self) -> str:
        """What the page asks for when .env is there."""
        values = {
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(self.mail_port),
            "EMAIL_STARTTLS": "0",
            "EMAIL_FROM": "tickets@tickets.example",
            "DEFAULT_ADMIN_EMAIL": "you@tickets.example",
        }
        return f"sed -i {' '.join(f'-e s/^{name}=.*/{name}={value}/' for name, value in values.items())} .env"

    def _environment(self) -> dict[str, str]:
        path = [self.root / "stubs", self.home / ".venv/bin", postgresql_programs.path(), SYSTEM]
        kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "PATH": os.pathsep.join(map(str, path)),
            "HOME": str(self.root),
            "PGHOST": str(self.cluster.data),
            "PGUSER": "homeproductions",
            "PORT": str(self.port),
            "WEB_CONCURRENCY": "1",
        }

    def _copy_checkout(self) -> None:
        for name in image.checked_in():
            target = self.home / name
            target.parent.mkdir(parents=True, exist_ok=True)
            content = (ROOT / name).read_bytes()
            if name.startswith(("deploy/", ".env.example")):
                content = self.here(content.decode()).encode()
            target.write_bytes(content)
            target.chmod((ROOT / name).stat().st_mode)
        (self.home / ".venv").symlink_to(Path(sys.prefix))
