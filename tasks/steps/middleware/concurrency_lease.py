"""Hold the lease of a step whose topic has a limit; at its end, fetch the next task that the limit has held back."""

from __future__ import annotations

from collections.abc import Callable

from tasks.fetching.held_back import fetch_held_back
from tasks.steps.attempt import Attempt
from tasks.steps.result import Result


def hold_lease(attempt: Attempt, call_next: Callable[[], Result]) -> Result:
    """Release the lease after the attempt, whatever it comes to. The lock's extension renews it meanwhile."""
    if attempt.lease is None:
        return call_next()
    try:
        return call_next()
    finally:
        if attempt.lease.release():
            fetch_held_back(attempt.topic)
