"""Ticket mails on their way to a mail server on this machine: the ceiling is smtplib with as many bytes."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from .house import House, Sides
from .load import Measurement
from .processes import PATIENCE, ROOT, BenchError, Environment, free_port, last_words, running

MAILS = 2_000
USUAL_SIZE = 30_000  # bytes, until a real one has been seen
WORKER = [sys.executable, "manage.py", "process_outbox", "--loop", "--interval", "0.1"]
STARTED = "outbox worker started"
LONGEST = 12  # seconds
QUEUE = """
    INSERT INTO email_outbox (id, order_id, email_type, recipient_email, subject, status, attempts, next_attempt_at,
                              context)
    SELECT gen_random_uuid(), id, 'ticket', buyer_email, 'Your Ticket: Luna Llena', 'pending', 0, now(), '{}'
      FROM orders WHERE status = 'paid' ORDER BY order_number LIMIT %(mails)s
"""
OPEN = "SELECT count(*) AS n FROM email_outbox WHERE status IN ('pending', 'processing')"


@dataclass(frozen=True)
class Sink:
    """A mail server that takes everything."""

    port: int
    log: Path

    def sizes(self) -> list[int]:
        return [int(line) for line in self.log.read_text().splitlines()]


@contextmanager
def one_worker(house: House) -> Iterator[Sides]:
    with sink(house) as server:
        yield Sides(lambda: delivered(house, server, workers=1), lambda: flooded(house, server))


@contextmanager
def four_workers(house: House) -> Iterator[Sides]:
    with sink(house) as server:
        yield Sides(lambda: delivered(house, server, workers=4), lambda: delivered(house, server, workers=1))


@contextmanager
def sink(house: House) -> Iterator[Sink]:
    port = free_port()
    server = Sink(port, house.folder / f"mails{port}")
    command = [sys.executable, "-m", "bench.smtp_sink", str(server.port), str(server.log)]
    with running(command, house.season.environment, house.folder / "sink.log"):
        wait_until_it_says("", server.log)
        yield server


def delivered(house: House, server: Sink, *, workers: int) -> Measurement:
    """The workers run when all mails fall due at once; the time ends with the last mail, or when it gets too long."""
    seen = len(server.sizes())
    with house.books.watching(f"outbox, {workers} workers") as watch:
        with ExitStack() as stack:
            logs = [fresh(house.folder / f"worker{number}.log") for number in range(workers)]
            environment = mail_environment(house, server)
            started = [stack.enter_context(running(WORKER, environment, log)) for log in logs]
            for log in logs:
                wait_until_it_says(STARTED, log)
            done = deliver(house)
            for worker in started:
                house.mail_memory.note(worker)
        # With the mails that were in hand when the time was over.
        watch.expect("mails_sent", Measurement(0, len(server.sizes()) - seen), in_flight=0)
    return done


def deliver(house: House) -> Measurement:
    mails = number_of_mails(house)
    start = time.perf_counter()
    house.season.execute(QUEUE, {"mails": mails})
    while (left := house.season.rows(OPEN)[0]["n"]) and time.perf_counter() < start + LONGEST:
        time.sleep(0.05)
    seconds = time.perf_counter() - start
    note = f"{mails - left} of {mails} mails in the {LONGEST} seconds they were given" if left else ""
    return Measurement(rate=(mails - left) / seconds, done=mails - left, note=note)


def number_of_mails(house: House) -> int:
    return min(MAILS, len(house.season.inside))


def flooded(house: House, server: Sink) -> Measurement:
    mails = number_of_mails(house)
    size = round(mean(server.sizes() or [USUAL_SIZE]))
    command = [sys.executable, "-m", "bench.smtp_flood", str(server.port), str(mails), str(size)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"The mail server did not take the mails.\n{done.stderr}")
    return Measurement(rate=float(done.stdout), done=mails, note=f"mails of {size} bytes")


def mail_environment(house: House, server: Sink) -> Environment:
    mail = {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(server.port), "EMAIL_STARTTLS": "0"}
    return {**house.season.environment, **mail, "EMAIL_FROM": "tickets@bench.example"}


def fresh(log: Path) -> Path:
    log.write_text("")
    return log


def wait_until_it_says(words: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not (log.exists() and words in log.read_text()):
        if time.monotonic() > deadline:
            raise BenchError(f"It did not start.\n{last_words(log)}")
        time.sleep(0.05)
