"""How a web worker takes its connections."""

import time
from concurrent.futures import Future
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

# Seconds. Who comes while all threads are busy must not wait until one of the others goes.
LONGEST_WAIT = 0.002


class FairWorker(ThreadWorker):
    """gunicorn's threads, but a new connection is taken only while one of them is free to serve it, or else one after
    another. Otherwise the worker that wakes first takes all that come in the same moment, keeps them alive, and the
    others have nothing to do: that cost half of the speed."""

    busy = 0
    accepted_at = 0.0

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
        super().wait_for_and_dispatch_events(timeout)
