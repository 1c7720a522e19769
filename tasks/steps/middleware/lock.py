"""Extend the lock of the task, and the lease with it, until the engine has the outcome."""

from __future__ import annotations

import time
from collections.abc import Callable

from tasks.runtime import runtime
from tasks.steps.attempt import Attempt
from tasks.steps.result import Result


def hold_lock(attempt: Attempt, call_next: Callable[[], Result]) -> Result:
    """Keep the lock alive inside; `attempt.is_lock_lost()` says whether another worker has it meanwhile."""
    locked_at = time.monotonic() - attempt.message.age_s()
    on_extended = None if attempt.lease is None else attempt.lease.renew
    keeper = runtime().keeper
    with keeper.holding(attempt.task.id, attempt.message.token, since=locked_at, on_extended=on_extended) as is_lost:
        attempt.is_lock_lost = is_lost
        return call_next()
