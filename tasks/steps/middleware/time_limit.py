"""The time limit of a handler.

Celery's own hard limit counts everything that a task does, and a step may wait for an unavailable database long after
its handler has ended. So this limit is around the handler alone. In a thread it is an exception
(:mod:`tasks.interruption`). In a child of Celery's prefork pool a timer of the kernel ends the process
wherever the handler hangs, in C code too: the parent sees that the child is gone and has the attempt reported.
"""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from camunda_bridge.author_code import place_of
from camunda_bridge.executor import MAX_TRACE, Execution, Failed
from tasks.errors import TimeLimitPassed
from tasks.interruption import interruptible, runs_in_thread
from tasks.runtime import runtime
from tasks.steps.attempt import Attempt

#: the signal that ends a child that ran over its limit, as its parent names it
SIGNAL_NAME = "SIGALRM"


def limit_time(attempt: Attempt, call_next: Callable[[], Execution]) -> Execution:
    """End the handler if it takes longer than the step's `time_limit_s`, or `STEP_TIME_LIMIT_S`."""
    limit_s = attempt.step.time_limit_s or runtime().settings.step_time_limit_s
    if not runs_in_thread():
        with process_limit(limit_s):
            return call_next()
    begun = time.monotonic()
    try:
        return interruptible.run(call_next, limit_s=limit_s)
    except TimeLimitPassed as error:
        text = f"TimeLimitExceeded: the handler ran longer than its time limit of {limit_s:g} s"
        trace = "".join(traceback.format_exception(error))[-MAX_TRACE:]
        failure = Failed(text, trace, where=place_of(error, attempt.step.handler))
        return Execution(failure, round((time.monotonic() - begun) * 1000))


@contextmanager
def process_limit(seconds: float) -> Iterator[None]:
    """End this process if the block takes longer than `seconds`. Works only in the main thread of a process."""
    before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, interval)
        signal.signal(signal.SIGALRM, before)
