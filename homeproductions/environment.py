"""Reads the process environment. An empty variable counts as unset, and all faults are named in one message."""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import environ
from django.core.exceptions import ImproperlyConfigured

SECRET_MIN_LENGTH = 32
WEBHOOK_SECRET_MIN_BYTES = 24
SECRETS = ("JWT_SECRET", "JWT_REFRESH_SECRET")
REQUIRED = ("DATABASE_URL", *SECRETS)
SENTRY_REQUIREMENTS = "requirements-sentry.txt"
DURATION = re.compile(r"(\d+)\s*([smhd])")
RATE = re.compile(r"(\d+)\s*/\s*(\d*)\s*([smhd])")
# A leading dot means all names below it, and a star any at all; an IPv6 address stands in brackets.
HOST_NAME = re.compile(r"\*|\.?[\w-]+(\.[\w-]+)*|\[[0-9a-fA-F:.]+\]")
# Where Django looks for time zones, if the machine has the folder.
TIME_ZONES = Path("/usr/share/zoneinfo")
LAST_PORT = 65_535
# A hundred years: what is added to a date stays a date.
MOST_DAYS = 36_500
DURATION_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Environment(environ.Env):
    def names(self, variable: str, default: Sequence[str] = ()) -> list[str]:
        """A comma list; spaces around the commas mean nothing."""
        return parts(self.str(variable, "")) or [*default]

    def rate(self, variable: str, default: str) -> tuple[int, int]:
        """As `rate` below."""
        return rate(self.str(variable, default), variable=variable)

    def maximum(self, variable: str, default: int, *, window_ms: int) -> tuple[int, int]:
        """A rate whose number and window have variables of their own."""
        return rate(f"{self.int(variable, default)}/{window_ms // 1000}s", variable=f"{variable}/RATE_LIMIT_WINDOW_MS")


def load(source: Mapping[str, str] = os.environ) -> Environment:
    """The environment without its empty variables. Raises ImproperlyConfigured naming everything that is wrong."""
    env = Environment()
    env.ENVIRON = {name: value for name, value in source.items() if value.strip()}
    faults = list(find_faults(env.ENVIRON))
    if faults:
        raise ImproperlyConfigured("The environment is not complete:\n  - " + "\n  - ".join(faults))
    return env


def find_faults(values: Mapping[str, str]) -> list[str]:
    """One sentence for each required variable that is missing, and for each one that cannot be meant so."""
    faults = [
        f"{name} {problem}" for name, check in CHECKS.items() if name in values and (problem := check(values[name]))
    ]
    if "DATABASE_URL" not in values:
        faults.append("DATABASE_URL is missing (postgresql://user:password@host:5432/name)")
    for name in SECRETS:
        length = len(values.get(name, ""))
        if not length:
            faults.append(f"{name} is missing (at least {SECRET_MIN_LENGTH} characters)")
        elif length < SECRET_MIN_LENGTH:
            faults.append(f"{name} is too short ({length} characters, at least {SECRET_MIN_LENGTH} are needed)")
    first, second = (values.get(name) for name in SECRETS)
    if first and first == second:
        faults.append("JWT_SECRET and JWT_REFRESH_SECRET must be different")
    return faults + [
        f"{name} is too short (leave it out, or give at least {SECRET_MIN_LENGTH} characters)"
        for name in ("SECRET_KEY", "TICKET_KEY", "METRICS_TOKEN")
        if name in values and len(values[name]) < SECRET_MIN_LENGTH
    ]


# --- What a value must look like --------------------------------------------------------------------------------


def parts(text: str) -> list[str]:
    """What stands between the commas."""
    return [each.strip() for each in text.split(",") if each.strip()]


def whole_number(text: str, least: int = 0, most: int | None = None) -> str:
    is_number = text.strip().isascii() and text.strip().isdigit()
    if is_number and least <= int(text) <= (int(text) if most is None else most):
        return ""
    return f"must be a whole number from {least}{'' if most is None else f' to {most}'}, not {text!r}"


def yes_or_no(text: str) -> str:
    known = ("1", "0", "true", "false", "yes", "no", "on", "off")
    return "" if text.strip().lower() in known else f"must be 1 or 0, not {text!r}"


def address_of(*schemes: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        scheme, separator, rest = text.strip().partition("://")
        is_fine = bool(separator and rest) and scheme in schemes
        return "" if is_fine else f"must begin with {' or '.join(f'{each}://' for each in schemes)}"

    return check


def database_url(text: str) -> str:
    """Its password is not repeated, whatever is wrong with it."""
    if problem := address_of("postgresql", "postgres")(text):
        return problem
    try:
        environ.Env.db_url_config(text)
    except ValueError:
        return "cannot be read: the port is a number, and in a password / is written %2F, @ is %40 and : is %3A"
    return ""


def host_names(text: str) -> str:
    for each in parts(text):
        if not HOST_NAME.fullmatch(each):
            return f"must be a comma list of host names without scheme, port and path (t.example), not {each!r}"
    return ""


def origins(text: str) -> str:
    for each in parts(text):
        if not _is_origin(each):
            return f"must be a comma list of origins with scheme and without path (https://t.example), not {each!r}"
    return ""


def _is_origin(text: str) -> bool:
    """As browsers send it; anything else would silently never match."""
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        return False
    return bool(url.hostname) and text == f"{url.scheme}://{url.netloc}" and "@" not in url.netloc


def time_zone(text: str) -> str:
    """Django looks among those of the machine, Python also among those of a package."""
    try:
        ZoneInfo(text)
        is_fine = not TIME_ZONES.exists() or TIME_ZONES.joinpath(*text.split("/")).is_file()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        is_fine = False
    return "" if is_fine else f"must be a time zone that this machine knows, such as America/Guatemala, not {text!r}"


def read_by(read: Callable[..., object]) -> Callable[[str], str]:
    """For what `duration` and `rate` read."""

    def check(text: str) -> str:
        try:
            read(text, variable="")
        except ImproperlyConfigured as error:
            return str(error).strip()
        return ""

    return check


def networks(text: str) -> str:
    for each in text.split(","):
        try:
            ipaddress.ip_network(each.strip(), strict=False)
        except ValueError:
            return f"must be a comma list of addresses or networks such as 100.64.0.0/10, not {each.strip()!r}"
    return ""


def webhook_secrets(text: str) -> str:
    """The signing library would silently drop characters it does not know and check with a shorter key."""
    for each in text.split(","):
        try:
            key = base64.b64decode(each.strip().removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            return "must be a comma list of whsec_... secrets (base64)"
        if len(key) < WEBHOOK_SECRET_MIN_BYTES:
            return f"holds a secret of less than {WEBHOOK_SECRET_MIN_BYTES} bytes"
    return ""


def stripe_webhook_secrets(text: str) -> str:
    """Stripe takes the text itself for the key."""
    is_fine = all(len(each.strip()) >= WEBHOOK_SECRET_MIN_BYTES for each in text.split(","))
    return "" if is_fine else f"holds a secret of less than {WEBHOOK_SECRET_MIN_BYTES} characters"


def mail_provider(text: str) -> str:
    name = text.strip().lower()
    is_known = name.isidentifier() and find_spec(f"anymail.backends.{name}") is not None
    return "" if is_known else f"is not a provider that django-anymail knows: {text!r}"


def sentry_dsn(text: str) -> str:
    if problem := address_of("https", "http")(text):
        return problem
    is_here = find_spec("sentry_sdk") is not None
    how = f"pip install --require-hashes -r {SENTRY_REQUIREMENTS} (an image: build it with REQUIREMENTS of that name)"
    return "" if is_here else f"needs sentry-sdk: {how}"


def log_level(text: str) -> str:
    known = ("error", "warn", "warning", "info", "debug")
    return "" if text.strip().lower() in known else f"must be one of {', '.join(known)}"


def duration(text: str, *, variable: str) -> timedelta:
    """`15m`, `1h`, `45s` or `7d` as a timedelta. Raises ImproperlyConfigured naming the variable."""
    match = DURATION.fullmatch(text.strip())
    try:
        if match is not None and int(match[1]):
            return timedelta(**{DURATION_UNITS[match[2]]: int(match[1])})
    except OverflowError:  # longer than there are dates
        pass
    raise ImproperlyConfigured(f"{variable} must look like 15m, 1h or 7d, not {text!r}")


def rate(text: str, *, variable: str) -> tuple[int, int]:
    """`10/15m` as (10, 900): so many in so many seconds. Raises ImproperlyConfigured naming the variable."""
    match = RATE.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise ImproperlyConfigured(f"{variable} must look like 10/15m, 60/m or 5/h, not {text!r}")
    period = duration(f"{match[2] or 1}{match[3]}", variable=variable)
    return int(match[1]), round(period.total_seconds())


CHECKS: dict[str, Callable[[str], str]] = {
    **dict.fromkeys(("DATABASE_URL", "BACKUP_DATABASE_URL"), database_url),
    "REDIS_URL": address_of("redis", "rediss", "unix"),
    "PUBLIC_URL": address_of("https", "http"),
    "RECURRENTE_API_URL": address_of("https", "http"),
    "STRIPE_API_URL": address_of("https", "http"),
    "ALLOWED_HOSTS": host_names,
    "CORS_ORIGIN": origins,
    "TRUSTED_PROXIES": networks,
    "PAYMENT_WEBHOOK_SECRETS": webhook_secrets,
    "RECURRENTE_WEBHOOK_SECRETS": webhook_secrets,
    "STRIPE_WEBHOOK_SECRETS": stripe_webhook_secrets,
    "EMAIL_PROVIDER": mail_provider,
    "TIME_ZONE": time_zone,
    "LOG_LEVEL": log_level,
    "SENTRY_DSN": sentry_dsn,
    "DEBUG": yes_or_no,
    "EMAIL_STARTTLS": yes_or_no,
    "RATE_LIMIT_ENABLED": yes_or_no,
    "DATABASE_PREPARE": yes_or_no,
    **dict.fromkeys(("BACKUP_MAX_AGE", "JWT_ACCESS_EXPIRES"), read_by(duration)),
    **dict.fromkeys(
        (
            "RATE_LIMIT_ACCOUNT",
            "RATE_LIMIT_SESSION",
            "RATE_LIMIT_ORDERS",
            "RATE_LIMIT_ORDER_MISSES",
            "RATE_LIMIT_PAY",
            "RATE_LIMIT_NEWSLETTER",
            "RATE_LIMIT_BAD_SIGNATURES",
            "RATE_LIMIT_PUBLIC",
            "RATE_LIMIT_STAFF",
            "RATE_LIMIT_ANONYMOUS",
        ),
        read_by(rate),
    ),
    **dict.fromkeys(("PORT", "EMAIL_PORT"), partial(whole_number, least=1, most=LAST_PORT)),
    **dict.fromkeys(
        ("JWT_REFRESH_EXPIRES_DAYS", "FORGET_GUESTS_AFTER_DAYS"), partial(whole_number, least=1, most=MOST_DAYS)
    ),
    # Less than a second would be no time at all.
    "RATE_LIMIT_WINDOW_MS": partial(whole_number, least=1000),
    **dict.fromkeys(
        ("WEB_CONCURRENCY", "WORKERS_EXPECTED", "WEB_THREADS", "RATE_LIMIT_MAX", "AUTH_RATE_LIMIT_MAX"),
        partial(whole_number, least=1),
    ),
}


def derive(secret: str, label: str) -> str:
    """A key of its own for one purpose, from a shared secret (HMAC-SHA256, 64 hex characters)."""
    return hmac.new(secret.encode(), label.encode(), hashlib.sha256).hexdigest()
