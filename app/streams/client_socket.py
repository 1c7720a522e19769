"""The connection to a stream's client, where the server shows it: gunicorn does, a test client does not."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class ClientSocket:
    """Tells when the client has gone, and bounds how long it may take to read."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        found = environ.get("gunicorn.socket")
        self._socket: socket.socket | None = found if isinstance(found, socket.socket) else None

    @property
    def is_gone(self) -> bool:
        """True when the client has closed its side. Without this a stream would notice at its second keep-alive."""
        if self._socket is None:
            return False
        try:
            # Asked first: a socket with a time-out would wait for it, whatever the flags of `recv` say.
            asked = select.poll()
            asked.register(self._socket, select.POLLIN)
            return bool(asked.poll(0)) and self._socket.recv(1, socket.MSG_PEEK) == b""
        except (OSError, ValueError):
            return True

    @contextmanager
    def reads_within(self, seconds: float) -> Iterator[None]:
        """Inside the block a client that does not read what is sent is given up after `seconds`."""
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
