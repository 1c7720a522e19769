"""Kills the process groups of a runner that ended without stopping them, for example by SIGKILL.

It is a script of its own (`python watchdog.py <pid of the runner>`), so that it starts in milliseconds. Each line of
its standard input is `+<group>` or `-<group>`. When the runner is gone, it kills every group that is still on the list.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys

#: seconds between two checks of the runner; the end of the input is noticed at once
CHECK_EVERY_S = 0.5


def main(runner: int) -> None:
    """Watch `runner` until it is gone, then kill the groups that it left behind."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    unread = b""
    while True:
        # Checked before the input is read, so that the runner's last lines are always read. The end of the input is not
        # enough: a process that the runner forked may hold the other end of the pipe open.
        is_gone = os.getppid() != runner
        if select.select([0], [], [], 0 if is_gone else CHECK_EVERY_S)[0]:
            read = os.read(0, 65536)
            if not read:
                break
            *lines, unread = (unread + read).split(b"\n")
            for line in lines:
                (groups.add if line[:1] == b"+" else groups.discard)(int(line[1:]))
        elif is_gone:
            break
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
