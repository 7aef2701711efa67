"""A line to the test database that can be cut and mended, as a network or a PostgreSQL that restarts would."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import connection

from tests.scale.programs import place_of_test_database


class Relay(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Pipe)
        self.is_cut = False
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()

    def cut(self) -> None:
        """Everybody is thrown out, and whoever comes."""
        with self._lock:
            self.is_cut = True
            for end in self._ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self.is_cut = False

    def watch(self, *ends: socket.socket) -> bool:
        """False when the line is cut."""
        with self._lock:
            self._ends.update(ends)
            return not self.is_cut

    def forget(self, *ends: socket.socket) -> None:
        with self._lock:
            self._ends.difference_update(ends)


class Pipe(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        with database() as far:
            if self.server.watch(self.request, far):
                back = threading.Thread(target=pump, args=(far, self.request), daemon=True)
                back.start()
                pump(self.request, far)
                back.join()
            self.server.forget(self.request, far)


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


def database() -> socket.socket:
    host, port = (str(connection.get_connection_params().get(name) or "") for name in ("host", "port"))
    if host.startswith("/"):
        line = socket.socket(socket.AF_UNIX)
        line.connect(f"{host}/.s.PGSQL.{port or 5432}")
        return line
    return socket.create_connection((host or "127.0.0.1", int(port or 5432)))


@contextmanager
def relay() -> Iterator[Any]:
    """The line, and with it how PgBouncer is told where its other end is."""
    with Relay() as line:
        thread = threading.Thread(target=line.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        line.place = place_of_test_database(host="127.0.0.1", port=str(line.server_address[1]))
        yield line
        line.cut()
        line.shutdown()
