"""Ports on this machine: find a free one for tests, and refuse one that is in use."""

from __future__ import annotations

import random
import socket

LOOPBACK = "127.0.0.1"
#: below the range from which Linux takes the ports of outgoing connections (32768): otherwise a connection could take
#: a free port before our server does
FREE_PORTS = range(22_000, 32_000)

_given: set[int] = set()


class PortError(Exception):
    """A port that a part of the stack needs is in use."""


def free_port() -> int:
    """A port on 127.0.0.1 on which no server listens and which this function has not returned before.

    Raises:
        PortError: no port is free.
    """
    for port in random.sample(FREE_PORTS, len(FREE_PORTS)):
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise PortError(f"no port between {FREE_PORTS.start} and {FREE_PORTS.stop} is free")


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """True when a server could listen on `port`."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As servers do: closed connections that still hold the port do not count, a listening server does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def require_free(port: int, setting: str, host: str = LOOPBACK, hint: str = "") -> None:
    """Check that a port is free.

    Args:
        port: the port.
        setting: the environment variable that sets it.
        host: the address on which the server will listen.
        hint: what else the user can do; the end of the message.

    Raises:
        PortError: the port is in use; the message has the port, the setting and the hint.
    """
    if not is_free(port, host):
        raise PortError(f"{setting}={port} is in use; set {setting} to another port{', ' + hint if hint else ''}")
