"""Reads the process environment. An empty variable counts as unset, and all faults are named in one message."""

import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from datetime import timedelta

import environ
from django.core.exceptions import ImproperlyConfigured

SECRET_MIN_LENGTH = 32
SECRETS = ("JWT_SECRET", "JWT_REFRESH_SECRET")
DURATION = re.compile(r"(\d+)\s*([smhd])")
RATE = re.compile(r"(\d+)\s*/\s*(\d*)\s*([smhd])")
DURATION_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Environment(environ.Env):
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
    """One sentence for each required variable that is missing, too short or equal to its sibling."""
    faults = []
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
        for name in ("SECRET_KEY", "TICKET_KEY")
        if name in values and len(values[name]) < SECRET_MIN_LENGTH
    ]


def derive(secret: str, label: str) -> str:
    """A key of its own for one purpose, from a shared secret (HMAC-SHA256, 64 hex characters)."""
    return hmac.new(secret.encode(), label.encode(), hashlib.sha256).hexdigest()


def duration(text: str, *, variable: str) -> timedelta:
    """`15m`, `1h`, `45s` or `7d` as a timedelta. Raises ImproperlyConfigured naming the variable."""
    match = DURATION.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise ImproperlyConfigured(f"{variable} must look like 15m, 1h or 7d, not {text!r}")
    return timedelta(**{DURATION_UNITS[match[2]]: int(match[1])})


def rate(text: str, *, variable: str) -> tuple[int, int]:
    """`10/15m` as (10, 900): so many in so many seconds. Raises ImproperlyConfigured naming the variable."""
    match = RATE.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise ImproperlyConfigured(f"{variable} must look like 10/15m, 60/m or 5/h, not {text!r}")
    period = duration(f"{match[2] or 1}{match[3]}", variable=variable)
    return int(match[1]), round(period.total_seconds())
