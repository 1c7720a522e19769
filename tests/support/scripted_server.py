"""A small real HTTP server whose answers the test sets, and which records each request with its connection."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: handles a request
Answer = Callable[["Handler"], None]


@dataclass(frozen=True)
class Seen:
    """One received request."""

    method: str
    path: str
    headers: Message
    body: bytes
    connection: tuple[str, int]


class Handler(BaseHTTPRequestHandler):
    """One connection; the server's `answer` handles each request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ScriptedServer

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.seen.append(Seen(self.command, self.path, self.headers, body, self.client_address))
        self.server.answer(self)

    do_GET = do_POST = do_PUT = do_DELETE = _serve

    def send(self, status: int, body: bytes = b"", content_type: str = "application/json", **headers: str) -> None:
        """Send an answer."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class ScriptedServer(ThreadingHTTPServer):
    """The server, on a free port of 127.0.0.1."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[Seen] = []
        self.answer: Answer = says(200, b"{}")
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Root of the server."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """Ignore errors: in some tests the client closes the connection."""

    def close(self) -> None:
        """Stop the server."""
        self.shutdown()
        self.server_close()
        self._thread.join(10)


def says(status: int, body: bytes = b"", content_type: str = "application/json", **headers: str) -> Answer:
    """Answer with this status and body."""
    return lambda handler: handler.send(status, body, content_type, **headers)


def in_turn(*answers: Answer) -> Answer:
    """Answer the first request with the first answer and so on, and all later requests with the last answer."""
    left = list(answers)

    def answer(handler: Handler) -> None:
        first = left.pop(0) if len(left) > 1 else left[0]
        first(handler)

    return answer


def hangs_up(handler: Handler) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def stays_silent(handler: Handler) -> None:
    """Do not answer until the client closes the connection, at most for 10 s."""
    deadline = time.monotonic() + 10
    handler.connection.settimeout(0.1)
    while time.monotonic() < deadline:
        try:
            if not handler.connection.recv(1):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    handler.close_connection = True


def breaks_off(handler: Handler) -> None:
    """Send less content than the header announces."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"half": ')
    hangs_up(handler)
