"""Lock tokens, and the one thread a process that keeps the locks of running handlers alive."""

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
    """A lock token: the workerId of one fetch. The engine compares worker ids only, so each fetch has a fresh one."""
    return f"{_HOST}:{uuid.uuid4()}"


@dataclass(slots=True)
class _Held:
    """A lock that is held: when its extension is due, and the log context and span that the extension belongs to."""

    due_at: float
    context: Context
    on_extended: Callable[[], object] | None


class LockKeeper:
    """Extends the lock of every task that is held, at half its duration, until it is let go.

    One thread serves the whole process and sleeps while nothing is held, so a short step costs it nothing.

    Args:
        extend: called with (task id, token); raises :class:`LockLost` when the lock is another's.
        duration_ms: how long a lock lasts, in milliseconds.
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
        """Extend a lock inside the block.

        Args:
            since: time.monotonic() of the fetch, or of the last extension.
            on_extended: called after each extension, in the keeper's thread.

        Gives a function that returns whether the lock was lost to another token meanwhile.
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
            # A held lock is looked at eight times a period at least; a new one is never due sooner.
            time.sleep(self._period_s / 8)

    def _extend_one(self, key: tuple[str, str], held: _Held) -> None:
        pause = self._period_s
        try:
            self._extend(*key)
            if held.on_extended is not None:
                held.on_extended()
        except LockLost as error:
            log.warning("lock lost while the handler runs: %s", error)
            with self._guard:
                self._lost.add(key)
                self._held.pop(key, None)
            return
        except BridgeError as error:
            # away for the moment: try again soon, the lock still has half its time
            log.info("lock not extended: %s", error)
            pause = self._period_s / 8
        except Exception:
            # The one thread that keeps all locks of this process must outlive a fault of ours.
            log.exception("fault while extending a lock")
            pause = self._period_s / 8
        with self._guard:
            if key in self._held:
                held.due_at = time.monotonic() + pause
