"""The time limit of a handler: the kernel ends a worker process whose handler runs too long.

Celery's own hard limit counts everything that a task does, and a step may wait for an unavailable database long after
its handler has ended. A timer of the kernel interrupts a handler wherever it hangs, in C code too. The parent process
sees that the child is gone and has the attempt reported as failed.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from camunda_bridge.executor import Execution
from tasks.runtime import runtime
from tasks.steps.attempt import Attempt

#: the signal that ends a child that ran over its limit, as its parent names it
SIGNAL_NAME = "SIGALRM"


def limit_time(attempt: Attempt, call_next: Callable[[], Execution]) -> Execution:
    """End this process if the handler takes longer than the step's `time_limit_s`, or `STEP_TIME_LIMIT_S`."""
    with time_limit(attempt.step.time_limit_s or runtime().settings.step_time_limit_s):
        return call_next()


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End this process if the block takes longer than `seconds`. Works only in the main thread of a process."""
    before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, interval)
        signal.signal(signal.SIGALRM, before)
