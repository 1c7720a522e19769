"""Ports on this machine: a free one for tests, a clear refusal when a wanted one is taken."""

from __future__ import annotations

import random
import socket

LOOPBACK = "127.0.0.1"
#: below the range from which Linux takes the ports of outgoing connections (32768), which would race with us
FREE_PORTS = range(22_000, 32_000)

_given: set[int] = set()


class PortError(Exception):
    """A port that a part of the stack needs is in use."""


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on and that this process was not given before.

    Raises:
        PortError: not one is free.
    """
    for port in random.sample(FREE_PORTS, len(FREE_PORTS)):
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise PortError(f"no port between {FREE_PORTS.start} and {FREE_PORTS.stop} is free")


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """True when a server could listen on `port`."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As servers do: the leftovers of closed connections do not count, a listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def require_free(port: int, setting: str, host: str = LOOPBACK, hint: str = "") -> None:
    """Refuse a port that is taken.

    Args:
        port: the wanted port.
        setting: the environment variable that chooses it.
        hint: what else the user could do, a sentence's end.

    Raises:
        PortError: names port, setting and hint.
    """
    if not is_free(port, host):
        raise PortError(f"{setting}={port} is taken; set {setting} to another port{', ' + hint if hint else ''}")
