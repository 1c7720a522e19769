"""Calls of others' code in threads: their time limits, and their end when the worker ends.

Such a call is the handler of a step, or the delivery of a webhook. A thread can't be killed. An exception is raised in
it instead, as dramatiq does for its time limits: Python raises it before the next instruction of the thread. A thread
that waits in C code gets it when that returns. One that has not ended some seconds later is given up: another thread
takes its slot. The attempt of a step is reported as failed then, and nothing that the thread still does reaches the
engine, because the engine has another lock by then.
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


def runs_in_thread() -> bool:
    """True in a thread of a worker; False in a child of a prefork pool, where Celery and the kernel end a task."""
    return threading.current_thread() is not threading.main_thread()


class _Call:
    """A call that runs in a thread."""

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
        """Raise an exception in the thread, unless the call has ended."""
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


class InterruptibleCalls:
    """The calls that run in the threads of this process.

    Attributes:
        give_up: frees the slot of the thread with this id, whose call hangs after so many seconds. The worker sets it
            to that of its pool.
    """

    def __init__(self, give_up: Callable[[int, float], object] = lambda thread_id, seconds: None) -> None:
        self.give_up = give_up
        self._calls: set[_Call] = set()
        self._stuck: set[_Call] = set()
        self._changed = threading.Condition()
        self._wakes_at = float("inf")
        self._watcher: threading.Thread | None = None
        self._is_closed = False

    @property
    def stuck(self) -> int:
        """How many threads were given up and still hang."""
        return len(self._stuck)

    def run(self, call: Callable[[], T], *, limit_s: float) -> T:
        """Call a function in this thread.

        Raises:
            TimeLimitPassed: it ran longer than `limit_s` seconds.
            WorkerEnds: the worker ends.
            GivenUp: as `TimeLimitPassed`, and the thread was given up before.
        """
        running = _Call(limit_s)
        self._add(running)
        try:
            try:
                result = call()
            finally:
                running.end()
        except HandlerInterrupted as error:
            # It may have come within `end` itself. Each call is interrupted a second time only by the worker's end.
            running.end()
            if running.is_given_up:
                raise GivenUp from error
            raise
        finally:
            with self._changed:
                self._calls.discard(running)
                self._stuck.discard(running)
        return result

    def interrupt_all(self) -> None:
        """Raise :class:`WorkerEnds` in the thread of every call, and of every one that would begin."""
        with self._changed:
            self._is_closed = True
            running = list(self._calls)
        for call in running:
            call.interrupt(WorkerEnds)

    def _add(self, call: _Call) -> None:
        with self._changed:
            if self._is_closed:
                raise WorkerEnds
            self._calls.add(call)
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="time-limits", daemon=True)
                self._watcher.start()
            elif call.due_at < self._wakes_at:
                self._changed.notify()

    def _watch(self) -> None:
        while True:
            with self._changed:
                self._wakes_at = min((_next(call) for call in self._calls), default=float("inf"))
                pause = self._wakes_at - time.monotonic()
                if pause > 0:
                    self._changed.wait(None if pause == float("inf") else pause)
                now = time.monotonic()
                due = [call for call in self._calls if _next(call) <= now]
            for call in due:
                if call.interrupted_at is None:
                    call.interrupt(TimeLimitPassed)
                else:
                    self._leave(call)

    def _leave(self, call: _Call) -> None:
        with self._changed:
            if call not in self._calls:
                return
            call.is_given_up = True
            self._calls.discard(call)
            self._stuck.add(call)
        try:
            self.give_up(call.thread_id, call.seconds)
        except Exception:
            # This thread watches all calls of the process, so it must survive any error.
            log.exception("thread that hangs not given up")


def _next(call: _Call) -> float:
    """When a call has to be interrupted, or given up."""
    return call.due_at if call.interrupted_at is None else call.interrupted_at + PATIENCE_S


def _raise_in(thread_id: int, error: type[BaseException] | None) -> None:
    """Raise an exception in a thread; None drops one that was not raised yet.

    https://docs.python.org/3/c-api/threads.html#c.PyThreadState_SetAsyncExc
    """
    exception = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), exception)


#: the interruptible calls of this process
interruptible = InterruptibleCalls()
