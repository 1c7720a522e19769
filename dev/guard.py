"""The runner's side of the watchdog: sends it the process groups that must not outlive this process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

WATCHDOG = Path(__file__).with_name("watchdog.py")


class Guard:
    """Starts the watchdog with the first group, and starts it again if it was killed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._to_watchdog = -1

    def watch(self, group: int) -> None:
        """Have `group` killed if this process ends without a call of `forget`."""
        with self._lock:
            self._groups.add(group)
            self._send(f"+{group}\n")

    def forget(self, group: int) -> None:
        """Remove a group that has ended."""
        with self._lock:
            self._groups.discard(group)
            self._send(f"-{group}\n")

    def _send(self, line: str) -> None:
        if self._watchdog is None or self._watchdog.poll() is not None:
            self._watchdog = self._start()
            line = "".join(f"+{group}\n" for group in self._groups)
        try:
            os.write(self._to_watchdog, line.encode())
        except BrokenPipeError:
            # The watchdog died between the check and the write. The next call starts another with the whole list.
            self._watchdog.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._to_watchdog >= 0:
            os.close(self._to_watchdog)
        read_end, self._to_watchdog = os.pipe()
        try:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(WATCHDOG), str(os.getpid())],
                stdin=read_end,
                stdout=subprocess.DEVNULL,
                # in a session of its own: Ctrl-C and a kill of the runner's group must not reach it
                start_new_session=True,
            )
        finally:
            os.close(read_end)


guard = Guard()
