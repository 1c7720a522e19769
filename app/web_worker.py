"""gunicorn's threaded worker, with a bound on how long a client may take to send its request.

gunicorn gives up on a client that sends nothing at first, but one that sends a byte now and then holds a thread for
ever. Here headers and body each have a deadline, whatever dribbles in between.
"""

from __future__ import annotations

import socket
import time
from typing import Any

from gunicorn.http.errors import NoMoreData
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker
from werkzeug.exceptions import RequestTimeout

from settings import get_settings


class TimedUnreader(SocketUnreader):  # type: ignore[misc]
    """Reads a connection until a deadline."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._limit_s = float(get_settings().client_timeout_s)
        self._deadline: float | None = None
        self._request: Any = None

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
        if self.sock.gettimeout() is not None:
            # gunicorn discards a body that nobody read, and has set a limit for that itself.
            drained: bytes = super().chunk(size_hint)
            return drained
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._limit_s
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
            self.sock.settimeout(None)
        return found


class WebWorker(ThreadWorker):  # type: ignore[misc]
    """A threaded worker whose connections are read by :class:`TimedUnreader`."""

    def handle(self, conn: TConn) -> Any:
        """Read and answer one request of a connection."""
        if conn.initialized:
            self._unreader(conn).begin()
        else:
            _make_timed(conn)
        return super().handle(conn)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """Answer a request whose headers are here."""
        self._unreader(conn).begin(req)
        return super().handle_request(req, conn)

    @staticmethod
    def _unreader(conn: TConn) -> TimedUnreader:
        found: TimedUnreader = conn.parser.unreader
        return found


def _make_timed(conn: TConn) -> None:
    initialize = conn.init

    def init() -> None:
        initialize()
        if not isinstance(conn.parser.unreader, TimedUnreader):
            conn.parser.unreader = TimedUnreader(conn.sock)

    conn.init = init
