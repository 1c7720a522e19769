"""A JSON client on one kept-alive connection, with as little CPU time a call as Python allows."""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import socket
from email.message import Message
from typing import Any
from urllib.parse import urlsplit


class CallFailed(Exception):
    """The server answered with an error status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:300]}")
        self.status = status


class JsonClient:
    """One connection, for one thread.

    Args:
        url: root of the addresses; paths are appended to it.
        timeout_s: longest wait for an answer, in seconds.
    """

    def __init__(self, url: str, timeout_s: float = 120.0) -> None:
        parts = urlsplit(url)
        self._root = parts.path.rstrip("/")
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """Send a request. Returns the answer's JSON, None if it is empty.

        Raises:
            CallFailed: the status is 400 or more.
            OSError, http.client.HTTPException: no answer.
        """
        status, content = self.exchange(method, path, body, headers)
        if status >= 400:
            raise CallFailed(status, content.decode("utf-8", "replace"))
        return json.loads(content) if content else None

    def exchange(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send a request. Returns status and content of the answer.

        Raises:
            OSError, http.client.HTTPException: no answer.
        """
        data = None if body is None else json.dumps(body).encode()
        self._connect()
        try:
            self._connection.request(
                method, self._root + path, data, {"Content-Type": "application/json", **(headers or {})}
            )
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def send_text(self, path: str, text: str, content_type: str) -> bytes:
        """POST text of another type than JSON. Returns the answer's content.

        Raises:
            CallFailed: the status is 400 or more.
        """
        self._connect()
        self._connection.request("POST", self._root + path, text.encode(), {"Content-Type": content_type})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise CallFailed(answer.status, content.decode("utf-8", "replace"))
        return content

    def forward(self, method: str, path: str, content: bytes, headers: dict[str, str]) -> tuple[int, Message, bytes]:
        """Forward a request. Returns status, headers and content of the answer."""
        self._connect()
        self._connection.request(method, path, content or None, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def get(self, path: str) -> Any:
        """GET `path`. Returns the answer's JSON."""
        return self.call("GET", path)

    def post(self, path: str, body: Any) -> Any:
        """POST a JSON document. Returns the answer's JSON."""
        return self.call("POST", path, body)

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        with contextlib.suppress(OSError):
            self._connection.close()

    def _connect(self) -> None:
        # If an idle connection is readable, the server has closed it.
        if self._connection.sock is not None and _readable(self._connection.sock):
            self.close()
        if self._connection.sock is None:
            self._connection.connect()
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _readable(sock: socket.socket) -> bool:
    """True if data has arrived, or the other side has closed."""
    # not with `select`, which takes no descriptor above 1023
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
