"""`manage.py backup` by itself: what it writes, keeps, refuses, and which way it takes to the database."""

import os
import secrets
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import environ
import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from homeproductions.management.commands import backup
from tests.processes import environment


@pytest.fixture
def old_dumps(tmp_path):
    """One of yesterday, one of three weeks ago, and something that is not ours."""
    for name, days in (("homeproductions-1.dump", 1), ("homeproductions-2.dump", 21), ("thesis.dump", 90)):
        (tmp_path / name).write_bytes(b"PGDMP")
        os.utime(tmp_path / name, (time.time() - days * 86_400,) * 2)
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.django_db(transaction=True)
def test_dump_appears_complete_for_its_owner_alone_and_old_ones_go(old_dumps, on_the_path, capsys):
    call_command("backup", to=str(old_dumps))

    [new] = set(names(old_dumps)) - {"homeproductions-1.dump", "thesis.dump"}
    assert (old_dumps / new).stat().st_mode & 0o777 == 0o600
    assert (old_dumps / new).read_bytes().startswith(b"PGDMP")
    assert f"{old_dumps / new} (" in capsys.readouterr().out


REFUSED = "echo 'connection refused' >&2; exit 1"
# Says that all is well, and has written half.
HALF = 'for word; do case $word in --file=*) echo PGDMP >"${word#--file=}";; esac; done'


@pytest.fixture(params=[(REFUSED, "pg_dump failed: connection refused"), (HALF, "pg_restore failed")], ids=str)
def faulty_pg_dump(request, on_the_path, tmp_path_factory, monkeypatch):
    text, message = request.param
    program = tmp_path_factory.mktemp("bin") / "pg_dump"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return message


@pytest.mark.django_db
def test_dump_that_failed_leaves_nothing_and_takes_nothing(old_dumps, faulty_pg_dump):
    before = names(old_dumps)

    with pytest.raises(CommandError, match=faulty_pg_dump):
        call_command("backup", to=str(old_dumps))
    assert names(old_dumps) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"to": ""}, "Say where to"),
        ({"to": "/nonexistent/backups"}, "is not a folder"),
        ({"keep": "a while"}, "--keep must look like"),
        ({"to": "/proc"}, "Cannot read and write /proc"),  # root cannot either
    ],
)
def test_where_a_backup_cannot_go_is_said_in_a_sentence(tmp_path, on_the_path, change, message):
    with pytest.raises(CommandError, match=message):
        call_command("backup", **{"to": str(tmp_path), **change})


@pytest.fixture
def powerless():
    """Root may do everything, and tests may run as root."""
    if is_root := os.geteuid() == 0:
        os.seteuid(65_534)
    yield
    if is_root:
        os.seteuid(0)


@pytest.fixture
def shut_folder():
    """Not below tmp_path, where nobody but its owner gets."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
        Path(folder).chmod(0o700)


@pytest.mark.parametrize("mode", [0o555, 0o333, 0o666, 0o000], ids=oct)
@pytest.mark.parametrize("below", ["", "backups"])
def test_folder_that_is_not_ours_is_said_in_a_sentence(shut_folder, on_the_path, request, mode, below):
    (shut_folder / below).mkdir(exist_ok=True)
    shut_folder.chmod(mode)
    request.getfixturevalue("powerless")

    with pytest.raises(CommandError, match=f"Cannot read and write {shut_folder / below}: Permission denied"):
        call_command("backup", to=str(shut_folder / below))


def test_missing_programs_are_named_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CommandError, match=r"pg_dump is not installed.*apt-get install postgresql-client"):
        call_command("backup", to=str(tmp_path))
    assert names(tmp_path) == []


def test_password_is_not_in_the_list_of_processes(tmp_path, monkeypatch, on_the_path):
    called = []

    def note(command, **options):
        called.append((command, options["env"]))
        return subprocess.CompletedProcess(command, 0, "", "")

    known = {"host": "db.example", "user": "hp", "password": "tell nobody", "dbname": "hp", "sslmode": "require"}
    monkeypatch.setattr(backup, "server", lambda: known)
    monkeypatch.setattr(backup.subprocess, "run", note)

    backup.write(tmp_path)

    assert len(called) == 2
    for command, variables in called:
        assert "tell nobody" not in " ".join(command)
        assert {name: variables[f"PG{name}"] for name in ("HOST", "USER", "PASSWORD", "DATABASE", "SSLMODE")} == {
            "HOST": "db.example",
            "USER": "hp",
            "PASSWORD": "tell nobody",
            "DATABASE": "hp",
            "SSLMODE": "require",
        }


# --- A way of its own ---------------------------------------------------------------------------------------------


def url_of(name):
    return urlsplit(environment()["DATABASE_URL"])._replace(path=f"/{name}").geturl()


@pytest.fixture
def another_database():
    name = f"other_{secrets.token_hex(4)}"
    with psycopg.connect(url_of("postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        yield environ.Env.db_url_config(url_of(name))
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.django_db(transaction=True)
def test_forgotten_way_to_another_database_is_refused(tmp_path, settings, on_the_path, another_database):
    settings.BACKUP_DATABASE = another_database

    with pytest.raises(CommandError, match="BACKUP_DATABASE_URL leads to another database than DATABASE_URL"):
        call_command("backup", to=str(tmp_path))
    assert names(tmp_path) == []


@pytest.mark.django_db(transaction=True)
def test_own_way_has_options_of_its_own(tmp_path, settings, on_the_path):
    """It has its own, or none: those of DATABASE_URL may be wrong there."""
    url = environment()["DATABASE_URL"]
    settings.BACKUP_DATABASE = environ.Env.db_url_config(f"{url}{'&' if '?' in url else '?'}connect_timeout=7")

    known = backup.server()
    call_command("backup", to=str(tmp_path), verbosity=0)

    assert (int(known["connect_timeout"]), known["dbname"]) == (7, connection.settings_dict["NAME"])
    assert len(names(tmp_path)) == 1


@pytest.mark.django_db(transaction=True)
def test_database_that_is_away_is_said_in_a_sentence(tmp_path, settings, on_the_path):
    settings.BACKUP_DATABASE = environ.Env.db_url_config("postgresql://nobody@127.0.0.1:1/none")

    with pytest.raises(CommandError, match="The database does not answer"):
        call_command("backup", to=str(tmp_path))
    assert names(tmp_path) == []
