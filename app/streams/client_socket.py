"""The connection to a stream's client. Only gunicorn gives access to it; Flask's test client does not."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class ClientSocket:
    """Detects that the client has closed the connection, and limits how long the client may take to read."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        found = environ.get("gunicorn.socket")
        self._socket: socket.socket | None = found if isinstance(found, socket.socket) else None

    @property
    def is_gone(self) -> bool:
        """True when the client has closed the connection. Otherwise only the second keep-alive would fail."""
        if self._socket is None:
            return False
        try:
            # Poll first: on a socket with a timeout, `recv` waits for data whatever its flags are.
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            return bool(poll.poll(0)) and self._socket.recv(1, socket.MSG_PEEK) == b""
        except (OSError, ValueError):
            return True

    @contextmanager
    def reads_within(self, seconds: float) -> Iterator[None]:
        """Within the block, sending fails if the client does not read the data within `seconds`."""
        if self._socket is None:
            yield
            return
        before = self._socket.gettimeout()
        self._socket.settimeout(seconds)
        try:
            yield
        finally:
            if self._socket.fileno() >= 0:
                self._socket.settimeout(before)
