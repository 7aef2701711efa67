"""A stand-in for the image host on a local port: takes uploads and removals and remembers what it was sent."""

import email
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

CLOUD = "nights"
KEY = "123456789012345"
SECRET = "only-for-tests"


@dataclass
class ImageHost:
    """`refuse` is a status to answer with instead; `answer` replaces the body; `watch` is called with each request."""

    address: str = ""
    requests: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    refuse: int | None = None
    answer: Any = None
    watch: Callable[[str], None] = lambda action: None

    def forget(self) -> None:
        """As nobody had asked it anything yet."""
        self.requests.clear()
        self.refuse, self.answer, self.watch = None, None, lambda action: None

    @property
    def uploads(self) -> list[dict[str, Any]]:
        return [fields for method, _, fields in self.requests if method == "POST"]

    @property
    def removed(self) -> list[list[str]]:
        return [sorted(fields["public_ids"]) for method, _, fields in self.requests if method == "DELETE"]

    def reply(self, fields: dict[str, Any]) -> tuple[int, Any]:
        if self.refuse:
            return self.refuse, {"error": {"message": "No."}}
        if self.answer is not None:
            return 200, self.answer
        if "folder" in fields:
            name = f"{fields['folder']}/picture{len(self.requests)}"
            return 200, {"public_id": name, "secure_url": f"https://res.cloudinary.com/{CLOUD}/image/upload/{name}.jpg"}
        return 200, {"deleted": dict.fromkeys(fields["public_ids"], "deleted")}


@contextmanager
def running() -> Iterator[ImageHost]:
    host = ImageHost()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.take(fields_of(self.headers["Content-Type"], self.read()))

        def do_OPTIONS(self) -> None:
            """What a browser asks before it uploads from a page of another site."""
            self.send_response(204)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Methods", "POST")
            self.end_headers()

        def do_DELETE(self) -> None:
            self.take(json.loads(self.read()))

        def read(self) -> bytes:
            return self.rfile.read(int(self.headers["Content-Length"]))

        def take(self, fields: dict[str, Any]) -> None:
            host.requests.append((self.command, self.path, fields))
            host.watch(self.command)
            status, answer = host.reply(fields)
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        host.address = f"http://127.0.0.1:{server.server_address[1]}"
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield host
        server.shutdown()


def fields_of(content_type: str, body: bytes) -> dict[str, str]:
    """The parts of a multipart form by name."""
    form = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    return {
        str(part.get_param("name", header="Content-Disposition")): part.get_payload(decode=True).decode()
        for part in form.get_payload()
    }
