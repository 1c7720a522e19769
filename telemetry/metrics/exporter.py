"""`/metrics` on a port of its own, for processes that serve no HTTP otherwise: workers and beat."""

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

#: seconds that a client may take to send its request or to read the answer
CLIENT_S = 10
#: seconds between two tries to get a port that another process has: a worker that is being replaced keeps it until its
#: last step has ended
RETRY_S = 2.0


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    # A port that somebody listens on is taken; one whose last connections are being closed is not.
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("metrics not sent to %s", client_address, exc_info=True)


class _Handler(WSGIRequestHandler):
    timeout = CLIENT_S

    def log_message(self, *_: Any) -> None:
        """Scrapes are not worth a line each."""


def serve(host: str, port: int, *, token: str, also: Iterable[Collector] = ()) -> threading.Thread:
    """Show metrics on `port` from now on, in a thread; `token` is what a reader must send, if it is not empty.

    While another process has the port it is tried again: a metric is no reason for a worker not to start.
    """
    sources = tuple(also)

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        if environ.get("PATH_INFO") != "/metrics":
            return _say(start_response, "404 Not Found", b"metrics are at /metrics\n")
        if not may_read(environ.get("HTTP_AUTHORIZATION"), token):
            return _say(
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


def _say(start_response: StartResponse, status: str, text: bytes, *headers: tuple[str, str]) -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(text))), *headers])
    return [text]


def _run(host: str, port: int, answer: Any) -> None:
    server = _bind(host, port)
    server.set_app(answer)
    # A child that outlives this process must not keep the port.
    os.register_at_fork(after_in_child=server.socket.close)
    log.info("metrics are at http://%s:%d/metrics", host, port)
    server.serve_forever()


def _bind(host: str, port: int) -> _Server:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = type("Server", (_Server,), {"address_family": family})
    said = False
    while True:
        try:
            server: _Server = kind((host, port), _Handler)
        except OSError as error:
            if not said:
                log.warning("no metrics yet: METRICS_PORT=%d on %s cannot be had: %s", port, host, error)
            said = True
            time.sleep(RETRY_S)
        else:
            return server
