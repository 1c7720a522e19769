"""An HTTP/1.1 connection that stays open: sends each request in one piece and parses the answer with httptools.

The client of the standard library needs several times the CPU time, most of it for headers that aren't used here. It
also sends head and body separately, which wakes the engine twice for each request.
"""

from __future__ import annotations

import select
import socket
import ssl

import httptools

from camunda_bridge.errors import BrokenAnswer

#: most bytes of one read; most answers are shorter
_PIECE = 65_536


class _Answer:
    """Collects one answer; httptools (llhttp, in C) calls its methods."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.is_complete = False
        self.keeps_alive = False
        #: True when the head defines where the body ends; otherwise the body ends with the connection (RFC 9112, 6.3)
        self.is_delimited = False
        self.has_head = False
        #: True when the body is the content of a file (RFC 6266) or bytes (RFC 2046, 4.5.1), not a document
        self.is_content = False
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding"):
            self.is_delimited = True
        elif name == b"content-disposition" or (name == b"content-type" and b"octet-stream" in value):
            self.is_content = True

    def on_headers_complete(self) -> None:
        # The final answer follows after an interim answer, such as 100, which has its own head.
        self.has_head = self.parser.get_status_code() >= 200

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def on_message_complete(self) -> None:
        if self.has_head:
            self.is_complete = True
            self.keeps_alive = self.parser.should_keep_alive()


class Connection:
    """A connection to one server; the constructor opens it.

    Args:
        host, port: address of the server.
        connect_timeout_s, timeout_s: longest wait for the connection, and for each part of an answer, in seconds.
        context: TLS context; None for a connection without TLS.

    Raises:
        OSError: the server can't be reached in time, or its certificate is invalid.
    """

    def __init__(
        self, host: str, port: int, *, connect_timeout_s: float, timeout_s: float, context: ssl.SSLContext | None
    ) -> None:
        sock = socket.create_connection((host, port), timeout=connect_timeout_s)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is not None:
                sock = context.wrap_socket(sock, server_hostname=host)
            sock.settimeout(timeout_s)
        except BaseException:
            sock.close()
            raise
        self.sock = sock
        # poll instead of select: with many open requests, file descriptors exceed the range of select
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self.is_open = True
        #: True when the body of the last answer was the content of a file or bytes
        self.has_content = False

    def is_stale(self) -> bool:
        """True when data came without a request: the other side has closed the connection and would lose a request."""
        return bool(self._poll.poll(0))

    def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Send a request (head and body); returns the status code and the body of the answer.

        Raises:
            OSError: no complete answer came in time; the connection is closed.
        """
        try:
            self.sock.sendall(request)
            return self._read()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self.is_open = False
        self.sock.close()

    def _read(self) -> tuple[int, bytes]:
        answer = _Answer()
        while not answer.is_complete:
            piece = self.sock.recv(_PIECE)
            if not piece:
                if answer.has_head and not answer.is_delimited:
                    break
                raise BrokenAnswer("the connection was closed before the end of the answer")
            try:
                answer.parser.feed_data(piece)
            except httptools.HttpParserError as error:
                raise BrokenAnswer(f"the answer is not HTTP: {error}") from error
        self.has_content = answer.is_content
        if not answer.keeps_alive:
            self.close()
        return answer.parser.get_status_code(), b"".join(answer.pieces)
