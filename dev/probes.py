"""Checks whether a server of the stack answers, each with a time-out."""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request

from dev.ports import LOOPBACK

#: longest wait for one answer, in seconds
PROBE_S = 3.0

# Never through a proxy: the server runs on this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers(url: str) -> bool:
    """True when a GET of `url` is answered with 200."""
    return status_of(url) == 200


def status_of(url: str) -> int | None:
    """The status of the answer to a GET of `url`; None without an answer."""
    try:
        with _opener.open(url, timeout=PROBE_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except (OSError, http.client.HTTPException):
        return None


def answers_ping(port: int) -> bool:
    """True when a Redis-protocol server on this machine answers PING."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=PROBE_S) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False
