"""Write the row of the attempt before it does anything, and learn of the earlier attempts of its task."""

from __future__ import annotations

import logging
from collections.abc import Callable

from store.errors import DatabaseUnavailable
from tasks.broker.notify import notify_watchers
from tasks.runtime import runtime
from tasks.steps.attempt import Attempt
from tasks.steps.result import Result
from telemetry.crash_points import crash_point

log = logging.getLogger(__name__)


def write_begin(attempt: Attempt, call_next: Callable[[], Result]) -> Result:
    """Write phase `started`. Without the row the attempt does not begin: its lock expires."""
    try:
        earlier = runtime().events.begin(
            attempt.event(), confirm=attempt.message.confirm, identifiers=attempt.new_identifiers
        )
    except DatabaseUnavailable as error:
        log.warning("%s not begun, its lock expires: database unavailable: %s", attempt.topic, error)
        return Result.PUT_OFF
    if earlier is None:
        log.info("duplicate message for %s ignored", attempt.topic)
        return Result.DUPLICATE
    notify_watchers(attempt.correlation_id)
    attempt.earlier = earlier
    attempt.note_identifiers()
    crash_point("step: row written, handler not run")
    return call_next()
