"""One kept HTTP/1.1 connection: a request in one piece, its answer read by httptools' parser (llhttp, in C).

The standard library's client takes several times the CPU time of this, most of it for headers that nobody reads, and
sends head and body apart, which wakes the engine twice for each request.
"""

from __future__ import annotations

import select
import socket
import ssl

import httptools

from camunda_bridge.errors import BrokenAnswer

#: read at once, in bytes; most answers come in one piece
_PIECE = 65_536


class _Answer:
    """Collects one answer; the methods are httptools' callbacks."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.is_complete = False
        self.keeps_alive = False
        #: the head said where the body ends; without that the end of the connection is its end (RFC 9112, 6.3)
        self.is_delimited = False
        self.has_head = False
        #: the body is a content, no document: of a file (RFC 6266), or bytes (RFC 2046, 4.5.1)
        self.is_content = False
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding"):
            self.is_delimited = True
        elif name == b"content-disposition" or (name == b"content-type" and b"octet-stream" in value):
            self.is_content = True

    def on_headers_complete(self) -> None:
        # An interim answer, such as 100, has a head of its own and is followed by the real one.
        self.has_head = self.parser.get_status_code() >= 200

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def on_message_complete(self) -> None:
        if self.has_head:
            self.is_complete = True
            self.keeps_alive = self.parser.should_keep_alive()


class Connection:
    """A connection to one server, opened at once.

    Args:
        host, port: where the server is.
        connect_timeout_s, timeout_s: longest wait for the connection, and for each piece of an answer, in seconds.
        context: for TLS; None for none.

    Raises (OSError): the server cannot be reached in time, or its certificate is not good.
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
        # poll, not select: a process with many waiting requests has file numbers that select cannot look at
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self.is_open = True
        #: whether the last answer had a content as its body
        self.has_content = False

    def is_stale(self) -> bool:
        """True when something came that nobody asked for: the other side has closed, and would lose a request."""
        return bool(self._poll.poll(0))

    def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Send a request, head and body; the status code and the body of its answer.

        Raises:
            OSError: no whole answer came in time; the connection is closed.
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
                raise BrokenAnswer("the other side hung up before the end of its answer")
            try:
                answer.parser.feed_data(piece)
            except httptools.HttpParserError as error:
                raise BrokenAnswer(f"no HTTP: {error}") from error
        self.has_content = answer.is_content
        if not answer.keeps_alive:
            self.close()
        return answer.parser.get_status_code(), b"".join(answer.pieces)
