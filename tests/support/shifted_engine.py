"""An engine with a wrong clock: an HTTP proxy that shifts all times in answers, and shifts those in requests back."""

from __future__ import annotations

import http.client
import re
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from camunda_bridge.variables import format_date, parse_date
from dev.ports import LOOPBACK, free_port

#: the engine's form of a time
_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}")


class ShiftedEngine:
    """Forwards to the engine at `base_url`, as if its clock were wrong by `by`."""

    def __init__(self, base_url: str, by: timedelta) -> None:
        target = urlsplit(base_url)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
                try:
                    headers = {"Content-Type": self.headers.get("Content-Type", "application/json")}
                    connection.request(self.command, self.path, _shifted(body, -by), headers)
                    answer = connection.getresponse()
                    content = _shifted(answer.read(), by)
                finally:
                    connection.close()
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.getheader("Content-Type") or "application/json")
                if disposition := answer.getheader("Content-Disposition"):
                    self.send_header("Content-Disposition", disposition)
                if answer.status != 204:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = _pass_on

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer((LOOPBACK, free_port()), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://{LOOPBACK}:{self._server.server_port}{target.path}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _shifted(content: bytes, by: timedelta) -> bytes:
    def shift(found: re.Match[bytes]) -> bytes:
        return format_date(parse_date(found.group().decode()) + by).encode()

    return _TIME.sub(shift, content)
