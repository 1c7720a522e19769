"""Count the connections of a process to a port of this machine, from `/proc` (Linux)."""

from __future__ import annotations

import os
from pathlib import Path

from bench.cpu import members

#: state of an established connection in `/proc/net/tcp`
ESTABLISHED = "01"


def connections_to(port: int, pid: int) -> int:
    """The number of connections of a process and its descendants to `port`."""
    sockets = set()
    for member in members(pid):
        try:
            for entry in Path(f"/proc/{member}/fd").iterdir():
                target = os.readlink(entry)  # noqa: PTH115 - a socket is no path
                if target.startswith("socket:["):
                    sockets.add(target[8:-1])
        except OSError:
            continue
    return sum(1 for inode in _inodes(port) if inode in sockets)


def _inodes(port: int) -> list[str]:
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == ESTABLISHED and int(fields[2].rpartition(":")[2], 16) == port:
            found.append(fields[9])
    return found
