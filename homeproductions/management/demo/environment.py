"""Gives the demo what the settings ask for: secrets of its own, a database, folders and addresses.

It runs before the settings are read. Whatever the user has set in the environment stays as it is.
"""

import atexit
import base64
import json
import os
import secrets
import signal
import socket
import string
import sys
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]

from homeproductions import embedded_postgres
from homeproductions.embedded_postgres.cluster import Cluster
from homeproductions.embedded_postgres.errors import EmbeddedPostgresError

from . import running

DATABASE = "homeproductions"
DEFAULT_PORT = "8080"
# Where docs/example-shop is served from while somebody tries it, as docs/api.md says.
EXAMPLE_SHOP = "http://127.0.0.1:8100"
STAFF = ("superadmin", "admin", "door")
PASSWORD_ALPHABET = string.ascii_letters + string.digits  # nothing that a shell or a double click treats specially
PASSWORD_LENGTH = 14
# What another process needs to know of the demo that runs: it must send mail the same way and ask the same providers.
SHARED = (
    "ALLOWED_HOSTS",
    "DATABASE_URL",
    "EMAIL_FOLDER",
    "EMAIL_FROM",
    "EMAIL_HOST",
    "EMAIL_PASS",
    "EMAIL_PORT",
    "EMAIL_PROVIDER",
    "EMAIL_PROVIDER_KEY",
    "EMAIL_STARTTLS",
    "EMAIL_USER",
    "JWT_REFRESH_SECRET",
    "JWT_SECRET",
    "MEDIA_ROOT",
    "PAYMENT_WEBHOOK_SECRETS",
    "PORT",
    "PUBLIC_URL",
    "RECURRENTE_API_URL",
    "RECURRENTE_PUBLIC_KEY",
    "RECURRENTE_SECRET_KEY",
    "RECURRENTE_WEBHOOK_SECRETS",
    "SECRET_KEY",
    "STATIC_ROOT",
    "STRIPE_API_URL",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRETS",
    "TICKET_KEY",
    "TIME_ZONE",
)
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

claim: running.Claim | None = None
cluster: Cluster | None = None


class Stop(SystemExit):
    """Somebody asked the demo to stop (Ctrl-C, SIGTERM, a closed terminal). Uncaught, it ends the process quietly."""


def prepare(arguments: list[str]) -> None:
    """Complete the environment for `manage.py demo` and `manage.py demo_pay`, or say why not and exit."""
    # Seen at once also through a pipe, and in any terminal, whatever letters that can show.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="replace")  # type: ignore[union-attr]
    try:
        if sys.argv[1:2] == ["demo_pay"]:
            _join_running_demo()
        elif {"-h", "--help"} & set(arguments):
            _fill_in(_own_values(demo_folder()) | {"DATABASE_URL": f"postgresql:///{DATABASE}"})
        elif "--reset" in arguments:
            reset()
            sys.exit()
        else:
            _prepare_demo()
    except EmbeddedPostgresError as error:
        sys.exit(str(error))


def demo_folder() -> Path:
    return embedded_postgres.demo_folder()


def passwords() -> dict[str, str]:
    """The demo's own password of each staff login."""
    return dict(_own_secrets(demo_folder())["passwords"])


def database_is_up() -> bool:
    """Whether the embedded PostgreSQL still runs. A server of the user's own is the user's business."""
    if cluster is None:
        return True
    try:
        pid = int((cluster.data / "postmaster.pid").read_text().partition("\n")[0])
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except (OSError, ValueError, psutil.Error):
        return False


def close() -> None:
    """Stop the embedded PostgreSQL and let the next demo begin. Calling it twice does no harm."""
    ignore_signals()
    if cluster is not None:
        cluster.stop()
    if claim is not None:
        claim.release()


def ignore_signals() -> None:
    """From here on everything is being stopped; a second Ctrl-C must not leave half of it running."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def reset() -> None:
    """Delete the demo's data: database, secrets, mails and pictures. Exits if the demo runs."""
    folder = demo_folder()
    # Claiming also ends what a killed demo has left running; its pids are known only as long as the folder is.
    claim = running.claim(folder)
    if claim is None:
        sys.exit("The demo is running. Stop it first (Ctrl-C in its terminal), then clear its data.")
    claim.release()
    embedded_postgres.discard(folder)
    print(f"The demo's data in {folder} are cleared. `make demo` begins a new season.")
    if _is_set("DATABASE_URL"):
        print("The database of DATABASE_URL was not touched: only the demo's own PostgreSQL is cleared.")


# --- The demo itself -----------------------------------------------------------------------------------------


def _prepare_demo() -> None:
    global claim
    folder = demo_folder()
    _stop_on_signals()
    claim = running.claim(folder)
    if claim is None:
        place = (running.look(folder) or {}).get("environment", {}).get("PUBLIC_URL", "another port")
        sys.exit(f"The demo of this checkout runs already: {place}. Stop it with Ctrl-C in its terminal.")
    atexit.register(close)
    _fill_in(_own_values(folder))
    _refuse_taken_port(os.environ["PORT"])
    if not _is_set("DATABASE_URL"):
        _start_database(folder)
    claim.note(environment={name: os.environ[name] for name in SHARED if _is_set(name)})


def _stop_on_signals() -> None:
    def stop(number: int, frame: object) -> NoReturn:
        raise Stop(128 + number)

    # Also SIGINT: a shell starts background jobs with that ignored.
    for number in STOP_SIGNALS:
        signal.signal(number, stop)


def _start_database(folder: Path) -> None:
    global cluster
    print(f"Starting PostgreSQL, its data in {folder}")
    cluster = embedded_postgres.start(folder)
    cluster.create_database(DATABASE)
    os.environ["DATABASE_URL"] = cluster.url(DATABASE)


def _refuse_taken_port(text: str) -> None:
    """Before anything is started: gunicorn would only find out at the very end."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        sys.exit(f"PORT must be a number from 1 to 65535, not {text!r}.")
    with socket.socket() as probe:
        # As gunicorn does it, so that connections of an earlier demo that linger do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", int(text)))  # noqa: S104 (the address that gunicorn binds)
        except OSError as error:
            sys.exit(f"Port {text} cannot be used ({error.strerror}). Choose another one: make demo PORT=8081")


# --- A second terminal -----------------------------------------------------------------------------------------


def join() -> bool:
    """Take over the environment of the demo that runs, and say so; False if none does."""
    try:
        # Nothing is made on the way, for it may be a machine that never sees a demo.
        is_joined = embedded_postgres.demo_path().exists() and _take_over()
    except EmbeddedPostgresError:  # somebody else's folder in that place
        return False
    if is_joined:
        print(f"On the running demo, {os.environ['PUBLIC_URL']}", file=sys.stderr)
    return is_joined


def _join_running_demo() -> None:
    if not _take_over() and not _is_set("DATABASE_URL"):
        sys.exit("The demo is not running: start it with `make demo` in another terminal first.")


def _take_over() -> bool:
    facts = running.look(demo_folder()) or {}
    _fill_in(facts.get("environment", {}))
    return "environment" in facts


# --- Values ------------------------------------------------------------------------------------------------------


def _is_set(name: str) -> bool:
    """The settings treat an empty variable as unset, and so does everything here."""
    return bool(os.environ.get(name, "").strip())


def _fill_in(values: dict[str, str]) -> None:
    """Set the variables that the user has not set."""
    for name, value in values.items():
        if not _is_set(name):
            os.environ[name] = value


def _own_values(folder: Path) -> dict[str, str]:
    """What the demo brings along, each variable by its name."""
    own = _own_secrets(folder)["environment"]
    port = os.environ.get("PORT", "").strip() or DEFAULT_PORT
    public_url = os.environ.get("PUBLIC_URL", "").strip() or f"http://127.0.0.1:{port}"
    host = urlsplit(public_url).hostname or "localhost"
    hosts = ["127.0.0.1", "localhost", "[::1]", f"[{host}]" if ":" in host else host]
    values = {
        **own,
        "PORT": port,
        "PUBLIC_URL": public_url,
        "ALLOWED_HOSTS": ",".join(dict.fromkeys(hosts)),
        "CORS_ORIGIN": EXAMPLE_SHOP,
        "EMAIL_FOLDER": str(folder / "mails"),
        "MEDIA_ROOT": str(folder / "media"),
        # Nothing is ever collected there: the pages of a demo show the files as they are now.
        "STATIC_ROOT": str(folder / "static"),
    }
    if not _is_set("EMAIL_HOST") and not _is_set("EMAIL_PROVIDER"):
        values["EMAIL_FROM"] = "Home Productions <tickets@demo.example>"
    return values


def _own_secrets(folder: Path) -> dict[str, Any]:
    """The demo's secrets, random and made once: sessions and tickets outlive a restart."""
    path = folder / "secrets.json"
    if path.exists():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    made = _new_secrets()
    unfinished = path.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(made, file, indent=2)
    unfinished.replace(path)
    return made


def _new_secrets() -> dict[str, Any]:
    names = ("JWT_SECRET", "JWT_REFRESH_SECRET", "SECRET_KEY", "TICKET_KEY")
    environment = {name: secrets.token_urlsafe(48) for name in names}
    environment["PAYMENT_WEBHOOK_SECRETS"] = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    return {"environment": environment, "passwords": {name: _new_password() for name in STAFF}}


def _new_password() -> str:
    return "".join(secrets.choice(PASSWORD_ALPHABET) for _ in range(PASSWORD_LENGTH))
