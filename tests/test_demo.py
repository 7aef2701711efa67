"""`make demo` as its users meet it: it starts, its printed lines work as they are, it stops and leaves nothing."""

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import psutil
import pytest
import requests
from django.db import connection
from django.db.models import Case, F, IntegerField, Q, Sum, Value, When

from accounts.models import User
from audit.models import AuditLog
from events.models import Event, TicketTier
from gallery.models import Gallery
from homeproductions.embedded_postgres import CHECKOUT
from homeproductions.environment import host_names, origins
from homeproductions.mail.models import OutboxEmail
from homeproductions.management.demo import environment, media, ownership, running, season, staff
from homeproductions.management.demo.instructions import BEGIN, END
from homeproductions.management.demo.read_ticket import read_ticket
from newsletter.models import Subscriber
from orders.bookkeeping import differences
from orders.models import CheckIn, Order
from tests.factories import make_user

PASSWORDS = dict.fromkeys(environment.STAFF, "not-a-secret-1")
# What the demo would otherwise take from the terminal that runs the tests.
FOREIGN = re.compile(
    r"DATABASE_|JWT_|SECRET_KEY|TICKET_KEY|EMAIL_|PAYMENT_|RECURRENTE_|STRIPE_|PUBLIC_URL|ALLOWED_HOSTS|CORS_|MEDIA_|DJANGO_"
    r"|HOME$"
)


@pytest.mark.parametrize("url", ["http://[2001:db8::7]:8080", "http://demo.example", ""])
def test_addresses_of_a_demo_are_ones_that_settings_accept(monkeypatch, tmp_path, url):
    monkeypatch.setenv("PUBLIC_URL", url)

    values = environment._own_values(tmp_path)

    assert [host_names(values["ALLOWED_HOSTS"]), origins(values["CORS_ORIGIN"])] == ["", ""]


# --- The season ------------------------------------------------------------------------------------------------


@pytest.fixture
def filled(db: None) -> None:
    season.fill(passwords=PASSWORDS, say=lambda text: None)


def test_season_has_every_status(filled):
    assert set(Event.objects.values_list("status", flat=True)) == set(Event.Status.values)
    assert set(Order.objects.values_list("status", flat=True)) == set(Order.Status.values)
    assert Order.objects.filter(is_test=True).count() == 1
    assert set(TicketTier.objects.values_list("currency", flat=True)) == {"GTQ", "USD"}
    assert TicketTier.objects.filter(sold=F("quantity")).exists()
    assert TicketTier.objects.filter(price=0, sold__gt=0).exists()
    assert set(Gallery.objects.values_list("is_published", flat=True)) == {True, False}
    assert set(Subscriber.objects.values_list("is_active", flat=True)) == {True, False}


def test_season_counts_each_seat_once(filled):
    live = Q(orders__status__in=("pending", "paid"), orders__is_test=False)
    seats = Sum(Case(When(live, F("orders__quantity")), default=Value(0), output_field=IntegerField()))

    for tier in TicketTier.objects.annotate(seats=seats):
        assert (tier.name, tier.sold) == (tier.name, tier.seats)


def test_season_has_its_books_in_order(filled):
    assert differences() == []


def test_season_keeps_its_story_straight(filled):
    paid = Order.objects.filter(status__in=("paid", "refunded"))

    assert not paid.filter(payment_confirmed_at__lt=F("created_at")).exists()
    assert not paid.filter(refunded_at__lt=F("payment_confirmed_at")).exists()
    assert not CheckIn.objects.exclude(order__status="paid").exists()
    assert CheckIn.objects.filter(order__event__status="completed").count() > 20
    changes = AuditLog.objects.filter(action="STATUS_CHANGE", entity_id__in=paid, new_value__status="paid")
    assert changes.count() == paid.count()


def test_season_mails_nobody_about_the_past(filled):
    waiting = OutboxEmail.objects.exclude(status__in=("sent", "failed"))

    # Those who order through the services while the season is filled: three have a ticket, two have not paid yet.
    kinds = sorted(waiting.values_list("email_type", "order__status"))
    assert kinds == [("confirmation", "pending")] * 2 + [("ticket", "paid")] * 3
    assert not Order.objects.exclude(buyer_email__regex=r"@example\.(com|org)$").exists()


def test_season_knows_the_database_it_filled(filled):
    ownership.refuse_foreign_database()
    staff.make_staff({**PASSWORDS, "door": "another-one-2"})

    assert ownership.is_filled()
    assert User.objects.get(email="door@demo.example").check_password("another-one-2")


def test_database_with_data_of_somebody_else_is_refused(db):
    ownership.refuse_foreign_database()
    make_user()

    with pytest.raises(ownership.ForeignDatabase, match="users"):
        ownership.refuse_foreign_database()


def test_database_with_tables_of_something_else_is_refused(db):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'orders'")

    with pytest.raises(ownership.ForeignDatabase, match="tables of something else"):
        ownership.refuse_foreign_database()


def test_pictures_follow_the_address_of_the_server(filled, settings):
    settings.PUBLIC_URL = "http://127.0.0.1:9999"

    media.correct_urls()

    addresses = Event.objects.values_list("image_url", flat=True)
    assert {address.rpartition("/")[0] for address in addresses} == {"http://127.0.0.1:9999/media/demo"}


# --- The whole thing -------------------------------------------------------------------------------------------


MANAGE = (sys.executable, str(CHECKOUT / "manage.py"))


def surroundings(base: Path, **extra: str) -> dict[str, str]:
    """The environment of a terminal, without what the terminal that runs the tests has set for this system."""
    mine = {"HOMEPRODUCTIONS_DATA": str(base), "WEB_CONCURRENCY": "2", **extra}
    return {name: value for name, value in os.environ.items() if not FOREIGN.match(name)} | mine


class Demo:
    """A running `manage.py demo` with a data folder and a port of its own."""

    def __init__(self, base: Path, *arguments: str, **extra: str) -> None:
        self.environment = surroundings(base, **extra)
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "demo", *arguments],
            cwd=CHECKOUT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.output = ""

    def read_until(self, text: str, *, seconds: float = 90) -> str:
        assert self.process.stdout is not None
        deadline = time.monotonic() + seconds
        while text not in self.output:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert data, f"no {text!r} in:\n{self.output}"
            self.output += data.decode()
        return self.output

    def stop(self, number: int = signal.SIGINT) -> int:
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(number)
        code = self.process.wait(60)
        assert [process for process in family if process.is_running()] == []
        return code

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, check=False, cwd="/", env=self.environment, capture_output=True, text=True, timeout=60, **options
        )


@pytest.fixture
def base() -> Iterator[Path]:
    """pytest's own folders are too long for a socket, and closed to the account that runs PostgreSQL for root."""
    folder = Path(tempfile.mkdtemp(prefix="hp-", dir="/var/tmp"))
    folder.chmod(0o711)
    yield folder
    for process in psutil.process_iter():
        if str(folder) in command_line(process):
            process.kill()
    shutil.rmtree(folder)


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.timeout(180)
def test_demo_runs_as_printed_stops_cleanly_and_keeps_its_data(base):
    if not shutil.which("curl"):
        pytest.skip("the printed lines need curl")
    port = free_port()
    demo = Demo(base, PORT=port, STRIPE_API_URL="http://127.0.0.1:9")
    printed = demo.read_until("/admin/money/")
    assert f"  http://127.0.0.1:8100/?api=http://127.0.0.1:{port}\n" in printed
    buying, paying_late = (block.partition(END)[0] for block in printed.split(BEGIN)[1:])

    pasted = demo.run("bash", input=buying)

    assert pasted.returncode == 0, pasted.stderr
    *_, first, second = pasted.stdout.splitlines()
    assert re.search(r'"success":true.* -> HTTP 200$', first), pasted.stdout + pasted.stderr
    assert re.search(r'"ALREADY_CHECKED_IN".* -> HTTP 400$', second), pasted.stdout + pasted.stderr
    [folder] = base.glob("*/demo-*")
    assert running.look(folder)["environment"]["STRIPE_API_URL"] == "http://127.0.0.1:9"
    late = demo.run("bash", input=paying_late)
    address, books, money, *_ = late.stdout.splitlines()
    assert books.split(maxsplit=2) == ["ok", "books", "Counters and journal agree."], late.stderr
    assert money.split(maxsplit=2) == ["WRONG", "money", "3 payments to look at."]  # two are of the season
    number = accept_in_admin(address, password=re.search(r"\badmin@demo.example +(\S+)", printed)[1])
    assert number in ticket_in(folder / "mails", number)
    assert b"manage.py demo_pay" in get(port, "/media/demo/how-to-pay.html")
    assert get(port, "/media/demo/luna-de-atitlan.jpg")[:3] == b"\xff\xd8\xff"
    assert {path.stat().st_mode & 0o777 for path in base.rglob("*.json")} == {0o600}
    refused = Demo(base, PORT=free_port())
    assert "runs already" in refused.read_until("Ctrl-C")
    assert refused.process.wait() == 1
    assert demo.stop() == 0

    number = re.search(r"^Order (HP\S+)$", pasted.stdout, re.MULTILINE)[1]
    demo = Demo(base, PORT=free_port())
    assert "Filling" not in demo.read_until(END)
    unknown = demo.run(*MANAGE, "demo_pay", "HP000000-UNKNOWN0")
    assert (unknown.returncode, "no order" in unknown.stderr) == (1, True)
    again = demo.run(*MANAGE, "demo_pay", number)
    assert (again.returncode, "double_payment" in again.stderr, "/admin/orders/payment/" in again.stdout) == (
        0,
        True,
        True,
    )
    assert demo.stop(signal.SIGTERM) == 0


def accept_in_admin(address: str, *, password: str) -> str:
    """What the printed words ask for, as a browser does it. Returns the number of the new order."""
    browser = requests.Session()
    browser.trust_env = False

    def send(url, **fields):
        token = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        return browser.post(url, data=fields | token, timeout=30)

    sign_in = browser.get(address, timeout=30).url
    page = send(sign_in, username="admin@demo.example", password=password)
    link = re.search(r'href="([^"]+)"[^>]*>Accept as a new order<', page.text)[1]
    page = send(urljoin(address, link))
    return re.search(r"Order (HP\S+) is paid", page.text)[1]


def ticket_in(folder: Path, number: str) -> str:
    """What a scanner reads from the ticket of this order, once it is there."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for mail in folder.glob("*.eml"):
            if number in mail.read_text():
                return read_ticket(mail)
        time.sleep(0.2)
    raise AssertionError(f"no ticket for {number}")


def get(port: str, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read()


@pytest.mark.timeout(180)
def test_demo_stops_when_a_part_of_it_dies_and_can_be_cleared(base):
    demo = Demo(base, PORT=free_port())
    demo.read_until(END)
    [worker] = [p for p in psutil.Process(demo.process.pid).children() if "process_outbox" in command_line(p)]
    assert demo.run(*MANAGE, "demo", "--reset").returncode == 1
    worker.kill()

    assert demo.process.wait(60) == 1
    assert "The worker process ended by itself" in demo.read_until("ended by itself")
    cleared = demo.run(*MANAGE, "demo", "--reset")
    assert cleared.returncode == 0, cleared.stderr
    assert list(base.glob("*/demo-*")) == []


def test_taken_port_is_refused_before_anything_starts(base):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        demo = Demo(base, PORT=str(taken.getsockname()[1]))

        assert demo.process.wait(30) == 1
    assert "PORT=" in demo.read_until("PORT=")
    assert list(base.rglob("postgres*")) == []


def test_demo_pay_asks_for_the_demo(base):
    demo = Demo(base, "--help")
    assert demo.process.wait(30) == 0

    done = demo.run(*MANAGE, "demo_pay", "HP261123-AAAAAAAA")

    assert (done.returncode, "make demo" in done.stderr) == (1, True)


def test_command_joins_a_demo_only_where_nothing_else_is_named(base, monkeypatch):
    monkeypatch.setenv("HOMEPRODUCTIONS_DATA", str(base))

    def run(*command, **extra):
        done = subprocess.run(
            [*MANAGE, *command], check=False, env=surroundings(base, **extra), capture_output=True, text=True
        )
        return done.returncode, "On the running demo" in done.stderr, "`make demo`" in done.stderr

    assert run("expire_orders") == (1, False, True)
    assert list(base.iterdir()) == []
    claim = running.claim(environment.demo_folder())
    claim.note(environment={"PUBLIC_URL": "http://127.0.0.1:8080"})
    assert run("expire_orders") == (1, True, False)
    assert run("process_outbox") == (1, True, False)
    assert run("export_person", "ana@example.org") == (1, True, False)
    assert run("forget", "ana@example.org") == (1, True, False)
    assert run("process_outbox", "--loop") == (1, False, False)
    assert run("migrate") == (1, False, False)
    assert run("expire_orders", JWT_SECRET="of a server") == (1, False, False)
    claim.release()


def test_claim_is_held_by_one(tmp_path):
    first = running.claim(tmp_path)
    first.note(environment={"PORT": "8080"})

    assert running.claim(tmp_path) is None
    assert running.look(tmp_path) == {"environment": {"PORT": "8080"}}
    first.release()
    assert running.look(tmp_path) is None


def test_what_a_killed_demo_left_running_is_ended(tmp_path):
    orphan = subprocess.Popen(["sleep", "60"], start_new_session=True)
    killed = running.claim(tmp_path)
    killed.note_processes([orphan.pid])
    killed.file.close()  # as when the process dies

    heir = running.claim(tmp_path)

    assert heir is not None
    assert not psutil.pid_exists(orphan.pid)
    heir.release()
