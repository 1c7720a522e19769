"""Child processes with a log file and a readiness check, which never outlive the process that runs them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dev.guard import guard

#: seconds between two checks while waiting
CHECK_EVERY_S = 0.05
#: seconds between two reports about a process that is waited for
REPORT_EVERY_S = 5.0
#: seconds that a process may take to end after SIGKILL
KILL_S = 10.0
#: lines of its log that the error about a failed child shows
LAST_LINES = 20


class ChildError(Exception):
    """A child process could not be started, ended by itself, or was not ready in time."""


class Child:
    """One process in a process group of its own, which can be started again after it has ended.

        child = Child("web", ["gunicorn", "app:create_app()"], log=folder / "web.log", ready=lambda child: answers(url))
        child.start()
        child.wait_ready(30)
        child.kill()
        child.start()

    Args:
        name: its name in messages.
        command: program and arguments; no shell.
        log: file for its output; the first start truncates it, later starts append to it.
        cwd: its working folder, created if missing; None: that of this process.
        env: its whole environment; None: that of this process.
        ready: returns whether it serves; by default it is ready while it runs.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        ready: Callable[[Child], bool] = lambda child: True,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.cwd = cwd
        self.env = env
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: set[int] = set()
        self._log_offset = 0

    def start(self) -> None:
        """Start the process.

        Raises:
            ChildError: it runs already, or there is no such program.
        """
        if self.is_running:
            raise ChildError(f"{self.name} runs already (process {self.pid})")
        for folder in (self.log.parent, self.cwd):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
        # In a thread: a Ctrl-C interrupts only this thread, and the end of the block waits for the other. So every
        # process that was started is also registered.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(self._start).result()

    @property
    def pid(self) -> int:
        """Process id of the last start.

        Raises:
            ChildError: it was never started.
        """
        if self._process is None:
            raise ChildError(f"{self.name} was not started")
        return self._process.pid

    @property
    def was_started(self) -> bool:
        """True once `start` has succeeded, even if the process has ended since."""
        return self._process is not None

    @property
    def is_running(self) -> bool:
        """True while the process itself lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        """Exit code, minus the signal's number after a signal, None while it runs or was never started."""
        return None if self._process is None else self._process.poll()

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until the process serves.

        Raises:
            ChildError: it ended, or was not ready within `timeout_s` seconds; with its last log lines.
        """
        deadline = time.monotonic() + timeout_s
        while not self.is_ready():
            if time.monotonic() > deadline:
                raise self.failure(f"was not ready within {timeout_s:.0f} s")
            time.sleep(CHECK_EVERY_S)

    def is_ready(self) -> bool:
        """True when the process serves.

        Raises:
            ChildError: it ended.
        """
        if not self.is_running:
            raise self.failure(f"ended with exit code {self.returncode}")
        return self._ready(self)

    def wait(self, timeout_s: float) -> bool:
        """Wait at most `timeout_s` seconds for the process to end; True when it has."""
        deadline = time.monotonic() + timeout_s
        while self.is_running:
            if time.monotonic() > deadline:
                return False
            time.sleep(CHECK_EVERY_S)
        return True

    def finish(
        self,
        timeout_s: float,
        *,
        good_codes: Container[int | None] = (0,),
        waiting: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """Start the process and wait until it ends with a good code, for commands that end by themselves.

        Args:
            timeout_s: how long it may take, in seconds.
            good_codes: its good exit codes.
            waiting: called every :data:`REPORT_EVERY_S` while it runs, with the seconds since its start.

        Raises:
            ChildError: it could not be started, did not end within `timeout_s` seconds, or ended with another code.
        """
        self.start()
        begun = time.monotonic()
        try:
            while not self.wait(min(REPORT_EVERY_S, max(0.0, begun + timeout_s - time.monotonic()))):
                taken = time.monotonic() - begun
                if taken >= timeout_s:
                    raise self.failure(f"took longer than {timeout_s:.0f} s")
                waiting(taken)
        finally:
            self.kill()
        if self.returncode not in good_codes:
            raise self.failure(f"ended with exit code {self.returncode}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def terminate(self, timeout_s: float = 10.0) -> None:
        """Send SIGTERM to the process; when it has ended, or after `timeout_s` seconds, SIGKILL to its whole group."""
        self.signal(signal.SIGTERM)
        self.wait(timeout_s)
        self.kill()

    def kill(self, *, whole_group: bool = True) -> None:
        """Send SIGKILL to the process and all its children, as if its machine failed; or to the process alone."""
        if self._process is None:
            return
        if whole_group:
            self.kill_groups()
        else:
            self._process.kill()
        self._process.wait(KILL_S)
        if whole_group:
            self._forget_groups()

    def kill_groups(self) -> None:
        """Send SIGKILL to the process and all its children, without a wait and without a lock: for signal handlers."""
        for group in tuple(self._groups):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)

    def log_text(self, *, since_start: bool = False) -> str:
        """The output of the process since its first or its last start."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(self._log_offset if since_start else 0)
            return log.read().decode("utf-8", "replace")

    def failure(self, reason: str) -> ChildError:
        """Make an error with the child's name, the reason, the path of its log and the last lines of it."""
        lines = self.log_text(since_start=True).rstrip().splitlines()[-LAST_LINES:]
        return ChildError("\n  | ".join([f"{self.name} {reason} (log: {self.log})", *lines]))

    def _start(self) -> None:
        with self.log.open("wb" if self._process is None else "ab") as log:
            self._log_offset = log.tell()
            try:
                self._process = subprocess.Popen(
                    self.command,
                    cwd=self.cwd,
                    env=self.env,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise ChildError(f"{self.name} cannot be started: {error}") from error
        self._groups.add(self._process.pid)
        guard.watch(self._process.pid)

    def _forget_groups(self) -> None:
        for group in self._groups:
            guard.forget(group)
        self._groups.clear()


def stop_all(children: Iterable[Child], timeout_s: float) -> None:
    """Stop children together: send SIGTERM to each; after `timeout_s` seconds SIGKILL to the groups that still run."""
    stopped = [child for child in children if child.was_started]
    for child in stopped:
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + timeout_s
    for child in stopped:
        child.wait(max(0.0, deadline - time.monotonic()))
        child.kill()
