"""`python -m dev.partner_stub --port 8090`: a stub of the partner services that the examples call.

    POST /background-checks, /onboarding, /reservations, ...: see dev/partner_services.py
    GET  /shipments/{trackingNumber} -> 200 {state}
    GET  /stats                      calls and effects of each endpoint
    GET  /effects?userId=            the effects for one user; likewise orderId, loanId
    GET  /health

The beginning of the id of the user, order or loan decides the answer: `slow-` takes 2 s and `slow-<n>ms-` n ms (another
word may follow: `slow-50ms-reject-1`); `fail-` is always answered 503, `flaky-` 503 for its first two calls of an
endpoint, `teapot-` 418, `garbage-` 200 without JSON. dev/partner_services.py has more; every other id gets a success.
The same `Idempotency-Key` at the same endpoint gets the same answer and has one effect.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn
from urllib.parse import parse_qsl, unquote, urlsplit

from dev.partner_effects import Answer, Effects
from dev.partner_services import SERVICES, SHIPMENTS, nature_of, parcel_state
from dev.ports import LOOPBACK

#: first calls of one `flaky-` user at one endpoint that are refused
FLAKY_CALLS = 2
#: largest body that is read, in bytes
MAX_BODY = 1_000_000


class PartnerStub(ThreadingHTTPServer):
    """The server; with `port` 0 it listens on any free port."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int) -> None:
        self.effects = Effects()
        super().__init__((LOOPBACK, port), PartnerHandler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the trace of a fault. A caller that hangs up is no fault: a worker was killed, or waited no longer."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class PartnerHandler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # buffered, so that head and body are sent in one packet
    wbufsize = -1
    #: seconds after which an idle connection is closed
    timeout = 120
    server: PartnerStub

    def do_GET(self) -> None:
        """Answer health, counts and effects."""
        url = urlsplit(self.path)
        if url.path == "/health":
            self._answer(200, {"status": "ok"})
        elif url.path == "/stats":
            self._answer(200, self.server.effects.stats())
        elif url.path == "/effects":
            name, subject = next(iter(parse_qsl(url.query)), ("userId", ""))
            self._answer(200, {name: subject, "effects": self.server.effects.of_user(subject)})
        elif url.path.startswith(SHIPMENTS):
            self._answer(200, {"state": parcel_state(unquote(url.path.removeprefix(SHIPMENTS)))})
        else:
            self._answer(404, {"message": f"no such resource: {url.path}"})

    def do_POST(self) -> None:
        """Answer the call of a service."""
        body = self._read()
        endpoint = urlsplit(self.path).path
        service = SERVICES.get(endpoint)
        if service is None:
            return self._answer(404, {"message": f"no such service: {endpoint}"})
        subject = body.get(service.subject) if isinstance(body, dict) else None
        if not isinstance(subject, str) or not subject:
            return self._answer(422, {"message": f"{service.subject} is missing"})
        delay_ms, nature = nature_of(subject)
        nth = self.server.effects.call(endpoint, subject)
        if nature == "fail" or (nature == "flaky" and nth <= FLAKY_CALLS):
            time.sleep(delay_ms / 1000)
            return self._answer(503, {"message": "the service is not available"})
        if nature == "teapot":
            time.sleep(delay_ms / 1000)
            return self._answer(418, {"message": "I'm a teapot"})
        answer, is_first = self.server.effects.once(
            endpoint, subject, self.headers["Idempotency-Key"], lambda: service.answer(body, nature)
        )
        if is_first:
            # After the effect: a caller that times out and repeats the call must find the effect done.
            time.sleep(delay_ms / 1000)
        if nature == "garbage":
            return self._send(200, b"<html>this is no JSON", "text/html")
        return self._answer(service.status, answer)

    def log_request(self, *_: object) -> None:
        """Log nothing: one line a request would be most of the output of the local stack."""

    def log_error(self, *said: Any) -> None:
        """Log faults. The end of a connection that was idle for `timeout` seconds is no fault, and is not logged."""
        if not any(isinstance(part, TimeoutError) for part in said):
            super().log_error(*said)

    def _read(self) -> Any:
        try:
            length = int(self.headers["Content-Length"] or 0)
            return json.loads(self.rfile.read(length)) if 0 < length <= MAX_BODY else None
        except ValueError:
            return None

    def _answer(self, status: int, body: Answer) -> None:
        self._send(status, json.dumps(body).encode(), "application/json")

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(HTTPStatus(status))
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m dev.partner_stub", description="The stub of the partner services.")
    parser.add_argument("--port", type=int, default=8090, help="port on 127.0.0.1")
    server = PartnerStub(parser.parse_args().port)

    def stop(*_: object) -> NoReturn:
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"partner stub listens on http://{LOOPBACK}:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
