import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from homeproductions import environment

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ROOT / "homeproductions" / "settings.py"
GOOD = {"DATABASE_URL": "postgresql:///x", "JWT_SECRET": "a" * 32, "JWT_REFRESH_SECRET": "b" * 32}


def test_complete_environment_is_read_and_empty_counts_as_unset():
    env = environment.load({**GOOD, "PORT": " ", "LOG_LEVEL": "debug"})

    assert (env.int("PORT", 8080), env.str("LOG_LEVEL")) == (8080, "debug")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"DATABASE_URL": ""}, ["DATABASE_URL is missing"]),
        ({"JWT_SECRET": "short"}, ["JWT_SECRET is too short"]),
        ({"JWT_REFRESH_SECRET": "a" * 32}, ["must be different"]),
        ({"SECRET_KEY": "short"}, ["SECRET_KEY is too short"]),
        ({"TICKET_KEY": "short"}, ["TICKET_KEY is too short"]),
        (
            {"DATABASE_URL": "", "JWT_SECRET": "", "JWT_REFRESH_SECRET": "x"},
            ["DATABASE_URL is missing", "JWT_SECRET is missing", "JWT_REFRESH_SECRET is too short"],
        ),
    ],
    ids=str,
)
def test_all_faults_are_named_at_once(change, named):
    with pytest.raises(ImproperlyConfigured) as stop:
        environment.load({**GOOD, **change})

    assert all(text in str(stop.value) for text in named)
    assert str(stop.value).count("\n") == len(named)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://x"),
        ("DATABASE_URL", "garbage"),
        ("REDIS_URL", "bogus"),
        ("PUBLIC_URL", "nonsense"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,garbage"),
        ("PAYMENT_WEBHOOK_SECRETS", "abc"),
        ("RECURRENTE_WEBHOOK_SECRETS", "whsec_c2hvcnQ="),
        ("STRIPE_WEBHOOK_SECRETS", "whsec_short"),
        ("PAYMENT_WEBHOOK_SECRETS", "whsec_c2hvcnQ="),
        ("PAYMENT_WEBHOOK_SECRETS", "whsec_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_"),
        ("EMAIL_PROVIDER", "bogus"),
        ("LOG_LEVEL", "bogus"),
        ("FORGET_GUESTS_AFTER_DAYS", "0"),
        ("FORGET_GUESTS_AFTER_DAYS", "half a year"),
        ("DEBUG", "maybe"),
        ("PORT", "http"),
        ("WEB_CONCURRENCY", "0"),
        ("WORKERS_EXPECTED", "two"),
        ("WEB_CONCURRENCY", "abc"),
        ("DATABASE_URL", "postgresql://user:half/half@host/name"),
        ("ALLOWED_HOSTS", "https://t.example"),
        ("ALLOWED_HOSTS", "t.example:8080"),
        ("ALLOWED_HOSTS", "t.example/shop"),
        ("CORS_ORIGIN", "t.example"),
        ("CORS_ORIGIN", "https://t.example, https://t.example/shop"),
        ("CORS_ORIGIN", "https://t.example/"),
        ("CORS_ORIGIN", "*"),
        ("TIME_ZONE", "Mars"),
        ("TIME_ZONE", "America"),
        ("TIME_ZONE", "../etc/passwd"),
        ("RATE_LIMIT_WINDOW_MS", "999"),
        ("BACKUP_MAX_AGE", "1y"),
        ("BACKUP_MAX_AGE", "9999999999d"),
        ("JWT_ACCESS_EXPIRES", "soon"),
        ("JWT_REFRESH_EXPIRES_DAYS", "9999999999"),
        ("RATE_LIMIT_ORDERS", "zz"),
        ("RATE_LIMIT_ORDERS", "0/m"),
    ],
)
def test_value_that_cannot_be_meant_is_named(name, value):
    [fault] = environment.find_faults({**GOOD, name: value})

    assert fault.startswith(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "rediss://host:6379/0"),
        ("TRUSTED_PROXIES", "100.64.0.0/10, 10.1.2.3"),
        ("PAYMENT_WEBHOOK_SECRETS", "whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0"),
        ("EMAIL_PROVIDER", "resend"),
        ("LOG_LEVEL", "warn"),
        ("DEBUG", "0"),
        ("DATABASE_URL", "postgresql://u:p$w`d#@h:5432/n?sslmode=verify-full"),
        ("ALLOWED_HOSTS", "t.example, .example.org,localhost,127.0.0.1,[::1]"),
        ("ALLOWED_HOSTS", "*"),
        ("CORS_ORIGIN", "https://shop.example, http://127.0.0.1:8100"),
        ("TIME_ZONE", "UTC"),
        ("BACKUP_MAX_AGE", "26h"),
        ("RATE_LIMIT_ORDERS", "40/15m"),
    ],
)
def test_good_value_passes(name, value):
    assert environment.find_faults({**GOOD, name: value}) == []


def test_password_of_a_database_url_that_cannot_be_read_is_not_repeated():
    [fault] = environment.find_faults({**GOOD, "DATABASE_URL": "postgresql://user:half/half@host/name"})

    assert "half" not in fault


def test_whatever_is_not_free_text_is_looked_at_before_it_is_used():
    """What stops later stops alone, or with a traceback."""
    read = re.findall(r"""env\.(?:int|bool|rate|maximum|names)\(\s*["'](\w+)""", SETTINGS.read_text())
    read += re.findall(r"""duration\(env\.str\(["'](\w+)""", SETTINGS.read_text())

    assert len(read) > 25
    assert [name for name in read if name not in environment.CHECKS] == []


def test_comma_list_may_have_spaces():
    env = environment.load({**GOOD, "ALLOWED_HOSTS": "a.example, b.example ,"})

    assert env.names("ALLOWED_HOSTS", ["localhost"]) == ["a.example", "b.example"]
    assert env.names("CORS_ORIGIN", ["localhost"]) == ["localhost"]


def test_every_fault_is_in_the_one_message_of_a_program():
    faulty = {"TIME_ZONE": "Mars", "RATE_LIMIT_ORDERS": "zz", "BACKUP_MAX_AGE": "1y", "CORS_ORIGIN": "t.example"}
    faulty |= {"ALLOWED_HOSTS": "https://t.example", "WEB_CONCURRENCY": "abc", "DATABASE_URL": "mysql://x"}

    command = [sys.executable, "manage.py", "migrate"]
    run = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **GOOD, **faulty}, capture_output=True, text=True, check=False
    )

    assert (run.returncode, run.stderr.count("\n  - "), "Traceback" in run.stderr) == (1, len(faulty), False)
    assert [name for name in faulty if f"- {name} " not in run.stderr] == []


@pytest.mark.parametrize(
    "command", [["manage.py", "check"], ["manage.py", "process_outbox"], ["-c", "import homeproductions.wsgi"]]
)
def test_process_without_its_environment_stops_and_says_why(command, tmp_path):
    bare = {name: value for name, value in os.environ.items() if name not in GOOD}
    bare["HOMEPRODUCTIONS_DATA"] = str(tmp_path)  # away from a demo that may run meanwhile

    run = subprocess.run([sys.executable, *command], cwd=ROOT, env=bare, capture_output=True, text=True, check=False)

    assert run.returncode != 0
    assert all(f"{name} is missing" in run.stderr for name in GOOD)


@pytest.mark.parametrize(("text", "expected"), [("15m", 900), ("1h", 3600), ("45s", 45), ("7d", 604800)])
def test_duration_reads_the_usual_texts(text, expected):
    assert environment.duration(text, variable="X") == timedelta(seconds=expected)


@pytest.mark.parametrize("text", ["15", "m", "0m", "-1h", "1 fortnight"])
def test_duration_refuses_what_it_does_not_know(text):
    with pytest.raises(ImproperlyConfigured, match="JWT_ACCESS_EXPIRES"):
        environment.duration(text, variable="JWT_ACCESS_EXPIRES")


@pytest.mark.parametrize(
    ("text", "rate"), [("10/15m", (10, 900)), ("60/m", (60, 60)), (" 5 / 1h ", (5, 3600)), ("1/s", (1, 1))]
)
def test_rate_is_read(text, rate):
    assert environment.rate(text, variable="X") == rate


@pytest.mark.parametrize("text", ["10", "10/15", "0/m", "10/0m", "ten/m", "-1/m", "10/m/s", ""])
def test_rate_that_says_nothing_stops_the_process(text):
    with pytest.raises(ImproperlyConfigured, match="RATE_LIMIT_ORDERS"):
        environment.rate(text, variable="RATE_LIMIT_ORDERS")


def test_variables_of_the_old_server_keep_their_meaning():
    env = environment.Environment()
    env.ENVIRON = {"AUTH_RATE_LIMIT_MAX": "12"}

    assert env.maximum("AUTH_RATE_LIMIT_MAX", 10, window_ms=60_000) == (12, 60)
    assert env.maximum("RATE_LIMIT_MAX", 100, window_ms=900_000) == (100, 900)


def test_env_example_lists_every_variable_and_no_other():
    folders = ("homeproductions", "homeproductions/embedded_postgres")
    sources = [*(path for folder in folders for path in ROOT.glob(f"{folder}/*.py")), ROOT / "gunicorn.conf.py"]
    text = "\n".join(path.read_text() for path in sources)
    read = set(re.findall(r"""env\.\w+\(\s*f?["']([A-Z][A-Z_]+)["']""", text)) | set(environment.SECRETS)
    read |= set(re.findall(r"""environ(?:\.get\(|\[)["']([A-Z][A-Z_]+)["']""", text)) | {"DATABASE_URL"}
    names = re.findall(r"(?m)^([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text())
    assert len(names) == len(set(names))
    listed = set(re.findall(r"(?m)^([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text()))

    assert listed == read - {"DJANGO_SETTINGS_MODULE"}
