"""Discard a message whose lock may have expired in its queue: the engine offers the task again."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tasks.steps.attempt import Attempt
from tasks.steps.result import Result

log = logging.getLogger(__name__)


def discard_expired(attempt: Attempt, call_next: Callable[[], Result]) -> Result:
    """End the attempt before it begins if three quarters of its lock's time are over."""
    if attempt.message.is_expired():
        log.info("message for %s discarded: its lock may have expired, the engine offers the task again", attempt.topic)
        return Result.EXPIRED
    return call_next()
