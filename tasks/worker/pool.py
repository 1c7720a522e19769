"""The worker's pool: threads, whose results the worker's event loop collects.

Celery's own pool of threads reports the end of a task from its thread. That wakes no event loop: while prefetch is
disabled, the next message waits until something else does. And it shares the books of the worker with the loop. Here a
thread writes one byte to a pipe that the loop reads, and the loop does the rest, as it does for Celery's prefork pool.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any

from billiard.einfo import ExceptionInfo
from celery.concurrency.base import BasePool


class Job:
    """A task that a thread runs, or will run."""

    def __init__(self, run: Callable[[], Any], on_return: Callable[[Any], Any], on_raise: Callable[[Any], Any]) -> None:
        self.run = run
        self._on_return = on_return
        self._on_raise = on_raise
        self._first = threading.Lock()
        #: True when the task raised what Celery does not catch: it was interrupted or given up
        self.has_raised = False
        #: what the worker does at the end of the task, in its loop
        self.finish: Callable[[], Any] = lambda: None

    def ready(self) -> bool:
        """True when the task has ended, or was given up."""
        return self._first.locked()

    def end(self, result: Any, *, raised: bool = False) -> bool:
        """Keep how the task ended, for the loop; False if that is known already."""
        if not self._first.acquire(blocking=False):
            return False
        self.has_raised = raised
        self.finish = partial(self._on_raise if raised else self._on_return, result)
        return True


class TaskPool(BasePool):
    """`limit` threads, which are started as they are needed."""

    body_can_be_buffer = True

    def on_start(self) -> None:
        """Make the queues between the loop and the threads."""
        self._waiting: SimpleQueue[Job | None] = SimpleQueue()
        self._ended: deque[Job] = deque()
        self._running: dict[int, Job] = {}
        self._unfinished = 0
        self._threads = 0
        self._is_held = False
        self._wakes, self._wake = os.pipe()
        os.set_blocking(self._wakes, False)
        os.set_blocking(self._wake, False)

    def register_with_event_loop(self, loop: Any) -> None:
        """Have the loop collect results; it asks each time it has connected to the broker."""
        loop.add_reader(self._wakes, self.collect)
        self.collect()

    def on_apply(self, *target: Any, **options: Any) -> Job:  # type: ignore[override]
        """Give a task to a thread. The worker takes no more messages than it has slots, so it begins at once."""
        run, args, kwargs = target
        if accept := options.get("accept_callback"):
            accept(os.getpid(), time.monotonic())
        job = Job(partial(run, *args, **(kwargs or {})), options["callback"], options["error_callback"])
        self._unfinished += 1
        self._waiting.put(job)
        if self._threads < min(self._unfinished, self.limit):
            self._threads += 1
            self._start_thread()
        return job

    def give_up(self, thread_id: int, error: BaseException) -> bool:
        """Free the slot of a thread that hangs: its task has failed, and another thread takes its place.

        False if the thread has no task any more.
        """
        job = self._running.get(thread_id)
        try:
            raise error  # noqa: TRY301
        except BaseException:
            if job is None or not job.end(ExceptionInfo(), raised=True):
                return False
        self._start_thread()
        self._report(job)
        return True

    def collect(self, *_: Any) -> None:
        """Finish, in the loop, the tasks that have ended."""
        with suppress(BlockingIOError):
            os.read(self._wakes, 4096)
        while self._ended and not self._is_held:
            self._unfinished -= 1
            self._ended.popleft().finish()

    def on_stop(self) -> None:
        """Wait for the tasks that run, and finish them."""
        while self._unfinished and not self._is_held:
            select.select([self._wakes], [], [], 1.0)
            self.collect()
        while self._is_held:
            # Another thread unlocks the tasks of interrupted steps, and then ends the process.
            time.sleep(1.0)
        for _ in range(self._threads):
            self._waiting.put(None)

    def hold(self) -> None:
        """Keep the process from its end, and the results of tasks from the worker: its steps are stopped."""
        self._is_held = True

    def _start_thread(self) -> None:
        # A thread that hangs for ever must not keep the process from ending.
        threading.Thread(target=self._work, name="slot", daemon=True).start()

    def _work(self) -> None:
        thread_id = threading.get_ident()
        while (job := self._waiting.get()) is not None:
            self._running[thread_id] = job
            try:
                is_mine = job.end(job.run())
            except BaseException:
                is_mine = job.end(ExceptionInfo(), raised=True)
            del self._running[thread_id]
            if not is_mine:
                # Another thread has this slot.
                return
            self._report(job)
            job = None

    def _report(self, job: Job) -> None:
        self._ended.append(job)
        with suppress(BlockingIOError):
            os.write(self._wake, b".")
