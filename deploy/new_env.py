"""Prints an .env for a new server, with keys of its own: `python3 deploy/new_env.py https://tickets.example`.

It needs nothing but Python. The database is that of this machine, reached as the account of the same name, and the
proxy stands on this machine as well (docs/operations.md).
"""

import base64
import re
import secrets
import sys
from pathlib import Path
from urllib.parse import urlsplit

EXAMPLE = Path(__file__).resolve().parent.parent / ".env.example"
KEYS = ("JWT_SECRET", "JWT_REFRESH_SECRET", "SECRET_KEY", "TICKET_KEY", "METRICS_TOKEN")


def main() -> None:
    host = urlsplit(sys.argv[1].lower()).hostname if len(sys.argv) == 2 else None
    if not host or sys.argv[1].lower().rstrip("/") != f"https://{host}":
        sys.exit("Usage: python3 deploy/new_env.py https://tickets.example  (how guests will reach this server)")
    print(filled(EXAMPLE.read_text(encoding="utf-8"), values(host)), end="")


def values(host: str) -> dict[str, str]:
    """What can be known before anybody is asked."""
    return {
        **{name: secrets.token_urlsafe(48) for name in KEYS},
        "DATABASE_URL": "postgresql:///homeproductions?host=/var/run/postgresql",
        # For whoever signs payment notices: put it there, or take what the provider shows for the endpoint.
        "PAYMENT_WEBHOOK_SECRETS": f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "PUBLIC_URL": f"https://{host}",
        "ALLOWED_HOSTS": host,
        "TRUSTED_PROXIES": "127.0.0.1",
        "DEFAULT_ADMIN_PASSWORD": secrets.token_urlsafe(12),
        "BACKUP_PATH": "/var/backups/homeproductions",
        "DATABASE_PREPARE": "1",
    }


def filled(example: str, known: dict[str, str]) -> str:
    """The example with these values in it. Raises KeyError for one that the example does not have."""
    for name, value in known.items():
        example, found = re.subn(rf"(?m)^{name}=.*$", f"{name}={value}", example)
        if found != 1:
            raise KeyError(name)
    return example


if __name__ == "__main__":
    main()
