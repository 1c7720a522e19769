"""The time limit of a handler: the kernel ends a worker process whose handler runs too long.

Celery's own hard limit counts everything that a task does, and a step may wait for a database that is away long after
its handler has ended. A timer of the kernel's reaches a handler wherever it hangs, in C code too; the parent process
sees the child gone and has the attempt reported as failed.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

#: how the parent names a child that ran over its limit
SIGNAL_NAME = "SIGALRM"


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End this process when the block takes longer than `seconds`. Only in a process's main thread."""
    before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, interval)
        signal.signal(signal.SIGALRM, before)
