"""Serves `/metrics` on its own port, for processes without a web server: workers and beat."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client.registry import Collector

from telemetry.metrics.showing import may_read, render

log = logging.getLogger(__name__)

#: longest time for a client to send its request or to read the answer, in seconds
CLIENT_S = 10
#: pause between two tries to listen on a port that another process has, in seconds; a worker that is being replaced
#: has it until its last step has ended
RETRY_S = 2.0


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    # Allows a port whose last connections are being closed, but not one on which another process listens.
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("metrics not sent to %s", client_address, exc_info=True)


class _Handler(WSGIRequestHandler):
    timeout = CLIENT_S

    def log_message(self, *_: Any) -> None:
        """Write no log line for a scrape."""


def serve(host: str, port: int, *, token: str, also: Iterable[Collector] = ()) -> threading.Thread:
    """Serve metrics on `port`, in a thread.

    If another process has the port, the thread tries again, because missing metrics must not stop a worker.

    Args:
        token: what a client must send as `Authorization: Bearer`; empty for no authentication.
        also: further collectors, whose metrics are read at each scrape.
    """
    sources = tuple(also)

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        if environ.get("PATH_INFO") != "/metrics":
            return _answer(start_response, "404 Not Found", b"metrics are at /metrics\n")
        if not may_read(environ.get("HTTP_AUTHORIZATION"), token):
            return _answer(
                start_response,
                "401 Unauthorized",
                b"send METRICS_TOKEN\n",
                ("WWW-Authenticate", 'Bearer realm="metrics"'),
            )
        body, media_type = render(environ.get("HTTP_ACCEPT", ""), sources)
        start_response("200 OK", [("Content-Type", media_type), ("Content-Length", str(len(body)))])
        return [body]

    thread = threading.Thread(target=_run, args=(host, port, answer), name="metrics", daemon=True)
    thread.start()
    return thread


def _answer(start_response: StartResponse, status: str, text: bytes, *headers: tuple[str, str]) -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(text))), *headers])
    return [text]


def _run(host: str, port: int, answer: Any) -> None:
    server = _bind(host, port)
    server.set_app(answer)
    # A child process that outlives this one must not keep the port.
    os.register_at_fork(after_in_child=server.socket.close)
    log.info("metrics served at http://%s:%d/metrics", host, port)
    server.serve_forever()


def _bind(host: str, port: int) -> _Server:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = type("Server", (_Server,), {"address_family": family})
    is_logged = False
    while True:
        try:
            server: _Server = kind((host, port), _Handler)
        except OSError as error:
            if not is_logged:
                log.warning("no metrics yet, METRICS_PORT=%d on %s is tried again: %s", port, host, error)
            is_logged = True
            time.sleep(RETRY_S)
        else:
            return server
