"""Lock tokens, and the thread of each worker process that extends the locks of running handlers."""

from __future__ import annotations

import logging
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass

from camunda_bridge.errors import BridgeError, LockLost

log = logging.getLogger(__name__)

_HOST = socket.gethostname()[:60]


def new_token() -> str:
    """A new lock token: the workerId of one fetch. The engine compares only worker ids, so every fetch has its own."""
    return f"{_HOST}:{uuid.uuid4()}"


@dataclass(slots=True)
class _Held:
    """A held lock: when to extend it, and the log context and span in which to extend it."""

    due_at: float
    context: Context
    on_extended: Callable[[], object] | None


class LockKeeper:
    """Extends every held lock after half of its duration, until the lock is released.

    One thread serves the whole process. It sleeps while no lock is held.

    Args:
        extend: called with (task id, token); raises :class:`LockLost` when another token holds the task.
        duration_ms: duration of a lock, in milliseconds.
    """

    def __init__(self, extend: Callable[[str, str], None], duration_ms: int) -> None:
        self._extend = extend
        self._period_s = duration_ms / 2000
        self._held: dict[tuple[str, str], _Held] = {}
        self._lost: set[tuple[str, str]] = set()
        self._guard = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def holding(
        self, task_id: str, token: str, *, since: float, on_extended: Callable[[], object] | None = None
    ) -> Iterator[Callable[[], bool]]:
        """Extend a lock inside the block; yields a function that returns True after the lock was lost.

        Args:
            since: time.monotonic() of the fetch, or of the last extension.
            on_extended: called after each extension, in the thread of the lock keeper.
        """
        key = (task_id, token)
        with self._guard:
            self._held[key] = _Held(since + self._period_s, copy_context(), on_extended)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lock-keeper", daemon=True)
                self._thread.start()
        if not self._wake.is_set():
            self._wake.set()
        try:
            yield lambda: key in self._lost
        finally:
            with self._guard:
                self._held.pop(key, None)
                self._lost.discard(key)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            now = time.monotonic()
            with self._guard:
                due = [(key, held) for key, held in self._held.items() if held.due_at <= now]
                if not self._held:
                    self._wake.clear()
            for key, held in due:
                held.context.run(self._extend_one, key, held)
            # Check every held lock eight times a period. A new lock is due later than the next check.
            time.sleep(self._period_s / 8)

    def _extend_one(self, key: tuple[str, str], held: _Held) -> None:
        pause = self._period_s
        try:
            self._extend(*key)
            if held.on_extended is not None:
                held.on_extended()
        except LockLost as error:
            log.warning("lock lost while the handler runs, its outcome will be discarded: %s", error)
            with self._guard:
                self._lost.add(key)
                self._held.pop(key, None)
            return
        except BridgeError as error:
            # Try again soon: the lock has half of its duration left.
            pause = self._period_s / 8
            log.info("lock not extended, trying again in %.1f s: %s", pause, error)
        except Exception:
            # This thread extends all locks of the process, so it must survive any error.
            pause = self._period_s / 8
            log.exception("lock not extended because of an unexpected error, trying again in %.1f s", pause)
        with self._guard:
            if key in self._held:
                held.due_at = time.monotonic() + pause
