"""How a web worker takes its connections, and what it says to those that speak no HTTP."""

import errno
import json
import time
from concurrent.futures import Future
from typing import Any

from gunicorn.http.unreader import SocketUnreader
from gunicorn.util import write_nonblock
from gunicorn.workers import gthread

# Seconds. Who comes while all threads are busy must not wait until one of the others goes.
LONGEST_WAIT = 0.002
# Whoever sends a byte now and then holds a thread, and there are few: so long may all of a request take (a picture of
# 10 MB from a telephone takes a minute), and so long may nothing come in between. With a few dozen connections somebody
# could still hold all threads: a proxy that reads requests whole before it passes them on keeps such clients away.
LONGEST_REQUEST, LONGEST_PAUSE = 120, 10
LONGEST_ANSWER = 60  # each piece of it
LAST_CALL = 1  # how long a worker that stops waits for one more request on a connection where nothing happens
UNREADABLE = "This is not a request that can be read, or its address or headers are too long."
FAULT = "Something went wrong on our side."
HEADERS = ("Content-Type: application/json", "X-Content-Type-Options: nosniff", "Cache-Control: no-store")


class FairWorker(gthread.ThreadWorker):
    """gunicorn's threads, but a new connection is taken only while one of them is free to serve it, or else one after
    another. Otherwise the worker that wakes first takes all that come in the same moment, keeps them alive, and the
    others have nothing to do: that cost half of the speed."""

    busy = 0
    accepted_at = 0.0
    last_call: float | None = None

    def accept(self, listener: Any) -> None:
        self.accepted_at = time.monotonic()
        super().accept(listener)

    def enqueue_req(self, conn: Any) -> None:
        self.busy += 1
        super().enqueue_req(conn)

    def finish_request(self, conn: Any, fs: "Future[Any]") -> None:
        self.busy -= 1
        super().finish_request(conn, fs)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        has_room = self.nr_conns < self.worker_connections
        is_time = self.busy < self.cfg.threads or time.monotonic() - self.accepted_at > LONGEST_WAIT
        self.set_accept_enabled(self.alive and has_room and is_time)
        if not self.alive:
            self.end_idle_connections()
            timeout = min(timeout, LAST_CALL)
        super().wait_for_and_dispatch_events(timeout)

    def end_idle_connections(self) -> None:
        """gunicorn would wait for them as long as for requests that are under way, and takes nobody in meanwhile: any
        browser or proxy that keeps its connection held up each restart for all of the graceful timeout."""
        if self.last_call is None:
            self.last_call = time.monotonic() + LAST_CALL
        for connection in (*self.keepalived_conns, *self.pending_conns):
            connection.timeout = min(connection.timeout, self.last_call)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """What gunicorn says to a request that it cannot read, in JSON: clients of ours read the body of every answer
        as JSON before they look at anything else."""
        draft = Draft()
        super().handle_error(req, draft, addr, exc)
        if draft.status:
            try:
                write_nonblock(client, told(draft.status))
            except OSError:
                self.log.debug("Failed to send error message.")


class Connection(gthread.TConn):
    """Waits for its client, but not for ever."""

    def init(self) -> None:
        """At each request on it."""
        super().init()
        self.sock.settimeout(LONGEST_ANSWER)
        if not isinstance(self.parser.unreader, Patient):
            self.parser.unreader = Patient(self.sock)
        self.parser.unreader.deadline = time.monotonic() + LONGEST_REQUEST


class Patient(SocketUnreader):
    """Reads a request. One that takes too long counts as broken off."""

    deadline = 0.0

    def chunk(self) -> bytes:
        left = self.deadline - time.monotonic()
        try:
            self.sock.settimeout(max(0.001, min(left, LONGEST_PAUSE)))
            piece: bytes = super().chunk()
        except TimeoutError as error:
            raise ConnectionResetError(errno.ECONNRESET, "the request takes too long") from error
        finally:
            self.sock.settimeout(LONGEST_ANSWER)
        return piece


# The worker makes them by this name.
gthread.TConn = Connection


class Draft:
    """A connection that leads nowhere: takes an answer of gunicorn's, and knows its status ("400 Bad Request")."""

    status = ""

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, answer: bytes) -> None:
        self.status = answer.partition(b"\r\n")[0].partition(b" ")[2].decode("latin-1")


def told(status: str) -> bytes:
    """The whole answer: the contract's envelope, which says nothing about what was sent."""
    code, text = ("SERVER_ERROR", FAULT) if status.startswith("5") else ("VALIDATION_ERROR", UNREADABLE)
    body = json.dumps({"success": False, "error": text, "code": code})
    lines = [f"HTTP/1.1 {status}", "Connection: close", *HEADERS, f"Content-Length: {len(body)}", "", body]
    return "\r\n".join(lines).encode()
