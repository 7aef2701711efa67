"""The web server as a release starts and ends it."""

import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import psycopg
import pytest
import requests

from orders.models import Order
from tests.factories import make_tier
from tests.processes import PATIENCE, ROOT, environment, free_port, program, wait_until, wait_until_healthy

GUNICORN = ("-m", "gunicorn", "homeproductions.wsgi", "-c", "gunicorn.conf.py")
HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.execve(sys.argv[2], sys.argv[2:], {**os.environ, "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
"""
SIZE = ("WEB_CONCURRENCY", "WEB_THREADS", "PORT")
NOWHERE = {"DATABASE_URL": "postgresql:///none"}


def config(**variables):
    """What gunicorn makes of its file and the environment."""
    command = [sys.executable, *GUNICORN, "--print-config"]
    unset = {name: value for name, value in os.environ.items() if name not in SIZE}
    variables = {**unset, **NOWHERE, **variables}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=True)
    lines = (line.partition(" = ") for line in done.stdout.splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def test_gunicorn_accepts_its_file():
    command = [sys.executable, *GUNICORN, "--check-config"]
    variables = {**os.environ, **NOWHERE}

    assert subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode == 0
    variables["WEB_THREADS"] = "many"
    broken = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, check=False)
    assert (broken.returncode, b"WEB_THREADS must be a whole number" in broken.stderr) == (1, True)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ("3", "4", "['0.0.0.0:8080']")),
        ({"WEB_CONCURRENCY": "7", "WEB_THREADS": "2", "PORT": "9001"}, ("7", "2", "['0.0.0.0:9001']")),
    ],
)
def test_size_and_address_come_from_the_environment(variables, expected):
    found = config(**variables)

    assert (found["workers"], found["threads"], found["bind"]) == expected


def test_limits_are_set():
    found = {name: int(value) for name, value in config().items() if value.isdecimal()}

    assert 0 < found["keepalive"] < found["graceful_timeout"] < found["timeout"] <= 30
    assert 0 < found["max_requests_jitter"] < found["max_requests"]
    assert (found["limit_request_line"], found["limit_request_fields"], found["limit_request_field_size"]) == (
        4094,
        64,
        8190,
    )


# --- The end of one server, and the beginning of the next -----------------------------------------------------------


@contextmanager
def serving(listener, log):
    """gunicorn on a socket that is open already, as systemd hands it over (homeproductions-web.socket)."""
    command = [sys.executable, "-c", HAND_OVER, str(listener.fileno()), sys.executable, *GUNICORN]
    variables = environment(WEB_CONCURRENCY="2", RATE_LIMIT_ENABLED="0")
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=variables, stdout=output, stderr=output, pass_fds=[listener.fileno()]
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def wish(tier):
    ids = {"eventId": str(tier.event_id), "tierId": str(tier.pk)}
    return {**ids, "buyerName": "Ana", "buyerEmail": "ana@example.com"}


@pytest.mark.django_db(transaction=True)
def test_order_under_way_is_finished_when_the_server_is_told_to_stop(tmp_path):
    tier, port, answers = make_tier(), free_port(), []
    address = f"http://127.0.0.1:{port}"
    with (
        psycopg.connect(environment()["DATABASE_URL"]) as somebody,
        (tmp_path / "log").open("wb") as log,
        program(*GUNICORN, log=log, PORT=str(port), WEB_CONCURRENCY="1") as server,
    ):
        wait_until_healthy(address, server)
        somebody.execute("SELECT FROM ticket_tiers WHERE id = %s FOR UPDATE", [tier.pk])
        guest = threading.Thread(target=lambda: answers.append(order(address, tier)))
        guest.start()
        wait_for_the_lock()

        server.terminate()
        wait_until(lambda: "Handling signal: term" in (tmp_path / "log").read_text(), "the end")
        assert (answers, server.poll()) == ([], None)
        somebody.rollback()
        guest.join(PATIENCE)
        assert (answers, server.wait(PATIENCE), Order.objects.count()) == ([201], 0, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("options", "seconds", "ended"),
    [((), 15, True), (("--worker-class", "gthread", "--graceful-timeout", "5"), 3, False)],
    ids=["ours", "control: gunicorn alone"],
)
def test_server_that_stops_does_not_wait_for_connections_where_nothing_happens(tmp_path, options, seconds, ended):
    port = free_port()
    address = f"http://127.0.0.1:{port}/health/live"
    with (
        requests.Session() as phone,
        requests.Session() as proxy,
        (tmp_path / "log").open("wb") as log,
        program(*GUNICORN, *options, log=log, PORT=str(port), WEB_CONCURRENCY="1") as server,
    ):
        wait_until_healthy(f"http://127.0.0.1:{port}", server)
        assert [each.get(address, timeout=PATIENCE).status_code for each in (phone, proxy)] == [200, 200]
        server.terminate()
        # Who asks in this moment is still answered.
        assert proxy.get(address, timeout=PATIENCE).status_code == 200
        assert ends_within(server, seconds) == ended


def ends_within(server, seconds):
    try:
        return server.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        return False


def order(address, tier):
    return requests.post(f"{address}/api/orders", json=wish(tier), timeout=PATIENCE).status_code


def wait_for_the_lock():
    with psycopg.connect(environment()["DATABASE_URL"], autocommit=True) as watcher:
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        wait_until(lambda: watcher.execute(waiting).fetchone() is not None, "who waits for the lock")


@pytest.mark.django_db(transaction=True)
def test_nobody_is_refused_while_the_server_is_replaced(tmp_path):
    tier = make_tier(quantity=10_000, max_per_order=10)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        answers, is_over = [], threading.Event()
        guests = [threading.Thread(target=come_again, args=(address, tier, answers, is_over)) for _ in range(3)]
        with serving(listener, tmp_path / "first.log") as first:
            wait_until_healthy(address, first)
            for guest in guests:
                guest.start()
            wait_until(lambda: len(answers) > 5, "answers of the first server")
        # It is gone, and guests wait at the door.
        before = len(answers)
        with serving(listener, tmp_path / "second.log"):
            wait_until(lambda: len(answers) > before + 5, "answers of the second")
            is_over.set()
            for guest in guests:
                guest.join(PATIENCE)

    assert (set(answers), Order.objects.count()) == ({201}, len(answers))


def come_again(address, tier, answers, is_over):
    while not is_over.is_set():
        try:
            answers.append(order(address, tier))
        except requests.RequestException as error:
            answers.append(type(error).__name__)
