"""gunicorn's threaded worker, with limits on how long a client may take to send its request and to read its answer.

gunicorn closes a connection whose client sends nothing at all. A client that sends one byte now and then, or never
reads its answer, holds a thread for ever. This worker sets a deadline for the headers, for the body and for each part
of the answer; single bytes do not extend it.

This module imports nothing of the rest of `app`, because the process that forks the workers loads it.
"""

from __future__ import annotations

import errno
import logging
import socket
import time
from typing import Any

from gunicorn.http.errors import NoMoreData
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker
from structlog.contextvars import clear_contextvars
from werkzeug.exceptions import RequestTimeout

from settings import get_settings

log = logging.getLogger(__name__)

#: seconds that a closing connection stays open for reading, so that the client can read the last answer
LINGER_S = 2.0
#: most bytes that are read and discarded in this time: a client that sends a large body reads no answer before its end
LINGER_BYTES = 16 * 1024 * 1024


class TimedUnreader(SocketUnreader):  # type: ignore[misc]
    """Reads a connection until a deadline."""

    def __init__(self, sock: socket.socket, limit_s: float) -> None:
        super().__init__(sock)
        self._limit_s = limit_s
        self._deadline: float | None = None
        self._request: Any = None
        #: True while gunicorn discards a body that the app did not read; gunicorn limits that itself
        self.is_draining = False

    def begin(self, request: Any = None) -> None:
        """Start a new deadline, which runs from the next read.

        Args:
            request: the request whose body is read next, or None for headers.
        """
        self._deadline = None
        self._request = request

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Read the next bytes.

        Raises:
            NoMoreData: the headers did not arrive in time; gunicorn closes the connection.
            RequestTimeout: the body did not arrive in time; the app answers 408.
        """
        if self.is_draining:
            drained: bytes = super().chunk(size_hint)
            return drained
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._limit_s
        before = self.sock.gettimeout()
        try:
            # A timeout of 0 would make the socket non-blocking.
            self.sock.settimeout(max(self._deadline - now, 0.001))
            found: bytes = super().chunk(size_hint)
        except TimeoutError:
            if self._request is None:
                raise NoMoreData from None
            # The connection cannot be used again: it is not known where the next request begins.
            self._request.force_close()
            raise RequestTimeout(f"the body did not arrive within {self._limit_s:.0f} s") from None
        finally:
            self.sock.settimeout(before)
        return found


class WebWorker(ThreadWorker):  # type: ignore[misc]
    """A threaded worker that closes the connections of clients that send or read too slowly."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limit_s = float(get_settings().client_timeout_s)

    def handle(self, conn: TConn) -> Any:
        """Read and answer one request of a connection."""
        # Log lines before the app begins must not carry the ids of the previous request of this thread.
        clear_contextvars()
        if conn.initialized:
            self._unreader(conn).begin()
        else:
            self._make_timed(conn)
        goes_on = super().handle(conn)
        if goes_on is False:
            _linger(conn.sock)
        return goes_on

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """Answer a request whose headers have been read.

        `sendall` applies the socket's timeout to all the bytes of one call: the connection ends when one part of the
        answer is not sent within it.
        """
        self._unreader(conn).begin(req)
        conn.sock.settimeout(self._limit_s)
        try:
            return super().handle_request(req, conn)
        except TimeoutError:
            log.info("client did not read its answer within %.0f s, connection closed", self._limit_s)
            # gunicorn does not log this error as a fault.
            raise ConnectionResetError(errno.ECONNRESET, "the client does not read its answer") from None

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Any) -> Any:
        """Answer a request that could not be parsed."""
        client.settimeout(self._limit_s)
        return super().handle_error(req, client, addr, exc)

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        unreader = self._unreader(conn)
        unreader.is_draining = True
        try:
            kept: bool = super()._keepalive_after(conn, keepalive)
        finally:
            unreader.is_draining = False
        return kept

    @staticmethod
    def _unreader(conn: TConn) -> TimedUnreader:
        found: TimedUnreader = conn.parser.unreader
        return found

    def _make_timed(self, conn: TConn) -> None:
        initialize = conn.init

        def init() -> None:
            initialize()
            if not isinstance(conn.parser.unreader, TimedUnreader):
                conn.parser.unreader = TimedUnreader(conn.sock, self._limit_s)

        conn.init = init


def _linger(sock: socket.socket) -> None:
    """Let the client read the last answer before the connection is closed (RFC 9112, 9.6).

    gunicorn waits for the client in the thread that accepts connections, so a client that does not close would block
    it. After this call gunicorn has nothing to wait for.
    """
    try:
        sock.shutdown(socket.SHUT_WR)
        deadline, left = time.monotonic() + LINGER_S, LINGER_BYTES
        while left > 0 and (remaining := deadline - time.monotonic()) > 0:
            sock.settimeout(remaining)
            found = sock.recv(65_536)
            if not found:
                break
            left -= len(found)
        sock.shutdown(socket.SHUT_RD)
    except OSError:
        # The client has closed the connection, or has not closed it in time.
        _shut(sock)


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        log.debug("connection was closed already")
