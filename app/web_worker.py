"""gunicorn's threaded worker, with bounds on how long a client may take to send its request and to read its answer.

gunicorn gives up on a client that sends nothing at first, but one that sends a byte now and then holds a thread for
ever, and so does one that never reads. Here headers, body and each part of the answer have a deadline, whatever
dribbles in between.

It stands outside of the package `app`: the process that forks the workers loads it, and needs none of the app's memory.
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

#: how long a connection that the server closes may go on, so that the client can read the last answer, in seconds
LINGER_S = 2.0
#: bytes that are read and thrown away meanwhile
LINGER_BYTES = 65_536


class TimedUnreader(SocketUnreader):  # type: ignore[misc]
    """Reads a connection until a deadline."""

    def __init__(self, sock: socket.socket, limit_s: float) -> None:
        super().__init__(sock)
        self._limit_s = limit_s
        self._deadline: float | None = None
        self._request: Any = None
        #: gunicorn discards a body that nobody read, within a limit of its own
        self.is_draining = False

    def begin(self, request: Any = None) -> None:
        """A new part begins, to be read within the limit from its first read: the headers, or the body of `request`."""
        self._deadline = None
        self._request = request

    def chunk(self, size_hint: int | None = None) -> bytes:
        """The next bytes.

        Raises:
            NoMoreData: the headers did not come in time; the connection is closed.
            RequestTimeout: the body did not; it is answered 408.
        """
        if self.is_draining:
            drained: bytes = super().chunk(size_hint)
            return drained
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._limit_s
        before = self.sock.gettimeout()
        try:
            # A time-out of 0 would make the socket one that does not wait at all.
            self.sock.settimeout(max(self._deadline - now, 0.001))
            found: bytes = super().chunk(size_hint)
        except TimeoutError:
            if self._request is None:
                raise NoMoreData from None
            # Where the next request would begin is not known.
            self._request.force_close()
            raise RequestTimeout(f"the body did not arrive within {self._limit_s:.0f} s") from None
        finally:
            self.sock.settimeout(before)
        return found


class WebWorker(ThreadWorker):  # type: ignore[misc]
    """A threaded worker whose clients have to send, and to read, in time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limit_s = float(get_settings().client_timeout_s)

    def handle(self, conn: TConn) -> Any:
        """Read and answer one request of a connection."""
        # What this thread did last is over; until the app has begun, its lines are about no request.
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
        """Answer a request whose headers are here.

        `sendall` takes the socket's time-out for all that it is given, however the client reads: a part of an answer
        that has not gone within it ends the connection.
        """
        self._unreader(conn).begin(req)
        conn.sock.settimeout(self._limit_s)
        try:
            return super().handle_request(req, conn)
        except TimeoutError:
            log.info("a client did not read its answer within %.0f s", self._limit_s)
            # what gunicorn does not log as a fault
            raise ConnectionResetError(errno.ECONNRESET, "the client does not read") from None

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Any) -> Any:
        """Answer a request that could not be read."""
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

    gunicorn does so in the thread that accepts connections, which each client that does not close would hold up. After
    this there is nothing left to wait for.
    """
    try:
        sock.shutdown(socket.SHUT_WR)
        deadline, left = time.monotonic() + LINGER_S, LINGER_BYTES
        while left > 0 and (remaining := deadline - time.monotonic()) > 0:
            sock.settimeout(remaining)
            found = sock.recv(4096)
            if not found:
                break
            left -= len(found)
        sock.shutdown(socket.SHUT_RD)
    except OSError:
        # It has gone, or has not closed in time.
        _shut(sock)


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        log.debug("the connection is closed already")
