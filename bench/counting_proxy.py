"""A proxy between the stack and the engine that counts requests by kind; not for measurements of latency."""

from __future__ import annotations

import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from bench.json_client import JsonClient
from dev.ports import LOOPBACK

#: ids of the engine and business keys in paths; they are replaced, so that all requests of a kind count together
_IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|[\w.-]+:\d+:[0-9a-f-]{36}|/key/[^/]+")


class CountingProxy:
    """Forwards requests to `engine_url`; `url` is the value for CAMUNDA_BASE_URL.

        with CountingProxy(engine.url) as proxy:
            ...
            proxy.counts["POST /external-task/fetchAndLock"]

    Args:
        engine_url: root of the engine's REST API.
    """

    def __init__(self, engine_url: str) -> None:
        parts = urlsplit(engine_url)
        self._upstream = f"{parts.scheme}://{parts.netloc}"
        self._root = parts.path
        self._guard = threading.Lock()
        self.counts: Counter[str] = Counter()
        self._server = _Server(self)

    @property
    def url(self) -> str:
        """Root of the engine's REST API, through this proxy."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}{self._root}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reset(self) -> None:
        """Set all counts to 0."""
        with self._guard:
            self.counts.clear()

    def client(self) -> JsonClient:
        """Make a connection to the engine."""
        return JsonClient(self._upstream)

    def count(self, method: str, path: str) -> None:
        """Count one request."""
        kind = f"{method} {_IDS.sub('{id}', path.partition('?')[0].removeprefix(self._root))}"
        with self._guard:
            self.counts[kind] += 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, proxy: CountingProxy) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.proxy = proxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # buffered, so that headers and content are sent in one packet
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._client = self.server.proxy.client()

    def finish(self) -> None:
        self._client.close()
        super().finish()

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def _forward(self) -> None:
        self.server.proxy.count(self.command, self.path)
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kept = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        status, headers, answer = self._client.forward(self.command, self.path, content, kept)
        self.send_response(status)
        for name in ("Content-Type", "Content-Disposition"):
            if value := headers.get(name):
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = _forward  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing."""
