"""Handlers that run in threads: their time limits, and their end when their worker ends.

A thread can't be killed. An exception is raised in it instead, as dramatiq does for its time limits: Python raises it
before the next instruction of the thread. A thread that waits in C code gets it when that returns. One that has not
ended some seconds later is given up: its attempt is reported as failed, another thread takes its slot, and nothing that
it still does reaches the engine, because the engine has another lock by then.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from tasks.errors import GivenUp, HandlerInterrupted, TimeLimitPassed, WorkerEnds

log = logging.getLogger(__name__)

T = TypeVar("T")

#: seconds between the exception in a thread and giving the thread up
PATIENCE_S = 2.0


class _Handler:
    """A handler that runs in a thread."""

    __slots__ = ("due_at", "guard", "interrupted_at", "is_done", "is_given_up", "seconds", "thread_id")

    def __init__(self, seconds: float) -> None:
        self.thread_id = threading.get_ident()
        self.seconds = seconds
        self.due_at = time.monotonic() + seconds
        self.interrupted_at: float | None = None
        self.is_given_up = False
        self.is_done = False
        self.guard = threading.Lock()

    def interrupt(self, error: type[HandlerInterrupted]) -> None:
        """Raise an exception in the thread, unless the handler has ended."""
        with self.guard:
            if not self.is_done:
                self.interrupted_at = time.monotonic()
                _raise_in(self.thread_id, error)

    def end(self) -> None:
        """Keep any exception from the thread from now on; one that was not raised yet is dropped."""
        with self.guard:
            self.is_done = True
            if self.interrupted_at is not None:
                _raise_in(self.thread_id, None)


class HandlerThreads:
    """The handlers that run in the threads of this process.

    Args:
        give_up: frees the slot of the thread with this id, whose handler hangs after so many seconds.
    """

    def __init__(self, give_up: Callable[[int, float], object]) -> None:
        self._give_up = give_up
        self._handlers: set[_Handler] = set()
        self._stuck: set[_Handler] = set()
        self._changed = threading.Condition()
        self._wakes_at = float("inf")
        self._watcher: threading.Thread | None = None
        self._is_closed = False

    @property
    def stuck(self) -> int:
        """How many threads were given up and still hang."""
        return len(self._stuck)

    def run(self, handler: Callable[[], T], *, limit_s: float) -> T:
        """Run a handler in this thread.

        Raises:
            TimeLimitPassed: it ran longer than `limit_s` seconds.
            WorkerEnds: the worker ends.
            GivenUp: as `TimeLimitPassed`, and the thread was given up before.
        """
        running = _Handler(limit_s)
        self._add(running)
        try:
            try:
                result = handler()
            finally:
                running.end()
        except HandlerInterrupted as error:
            # It may have come within `end` itself. Each handler is interrupted a second time only by the worker's end.
            running.end()
            if running.is_given_up:
                raise GivenUp from error
            raise
        finally:
            with self._changed:
                self._handlers.discard(running)
                self._stuck.discard(running)
        return result

    def interrupt_all(self) -> None:
        """Raise :class:`WorkerEnds` in the thread of every handler, and of every one that would begin."""
        with self._changed:
            self._is_closed = True
            running = list(self._handlers)
        for handler in running:
            handler.interrupt(WorkerEnds)

    def _add(self, handler: _Handler) -> None:
        with self._changed:
            if self._is_closed:
                raise WorkerEnds
            self._handlers.add(handler)
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="time-limits", daemon=True)
                self._watcher.start()
            elif handler.due_at < self._wakes_at:
                self._changed.notify()

    def _watch(self) -> None:
        while True:
            with self._changed:
                self._wakes_at = min((_next(handler) for handler in self._handlers), default=float("inf"))
                pause = self._wakes_at - time.monotonic()
                if pause > 0:
                    self._changed.wait(None if pause == float("inf") else pause)
                now = time.monotonic()
                due = [handler for handler in self._handlers if _next(handler) <= now]
            for handler in due:
                if handler.interrupted_at is None:
                    handler.interrupt(TimeLimitPassed)
                else:
                    self._leave(handler)

    def _leave(self, handler: _Handler) -> None:
        with self._changed:
            if handler not in self._handlers:
                return
            handler.is_given_up = True
            self._handlers.discard(handler)
            self._stuck.add(handler)
        try:
            self._give_up(handler.thread_id, handler.seconds)
        except Exception:
            # This thread watches all handlers of the process, so it must survive any error.
            log.exception("thread that hangs not given up")


def _next(handler: _Handler) -> float:
    """When a handler has to be interrupted, or given up."""
    return handler.due_at if handler.interrupted_at is None else handler.interrupted_at + PATIENCE_S


def _raise_in(thread_id: int, error: type[BaseException] | None) -> None:
    """Raise an exception in a thread; None drops one that was not raised yet.

    https://docs.python.org/3/c-api/threads.html#c.PyThreadState_SetAsyncExc
    """
    exception = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), exception)
