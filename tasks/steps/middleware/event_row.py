"""Write the row of the attempt before it does anything, and learn of the earlier attempts of its task."""

from __future__ import annotations

import logging
from collections.abc import Callable

from camunda_bridge.errors import EngineUnavailable
from store.errors import DatabaseUnavailable
from store.event_rows import EarlierAttempt
from tasks.broker.notify import notify_watchers
from tasks.runtime import runtime
from tasks.steps.attempt import Attempt
from tasks.steps.foreign import process_of, remember
from tasks.steps.result import Result
from telemetry.crash_points import crash_point

log = logging.getLogger(__name__)

#: how often the row of an attempt is written together with that of its process, if others write at the same moment
TRIES = 3


def write_begin(attempt: Attempt, call_next: Callable[[], Result]) -> Result:
    """Write phase `started`. Without the row the attempt does not begin: its lock expires."""
    try:
        earlier = _begin(attempt)
    except DatabaseUnavailable as error:
        log.warning("%s not begun, its lock expires: database unavailable: %s", attempt.topic, error)
        return Result.PUT_OFF
    except EngineUnavailable as error:
        log.warning("%s not begun, its lock expires: its process is unknown: %s", attempt.topic, error)
        return Result.PUT_OFF
    if earlier is None:
        log.info("duplicate message for %s ignored", attempt.topic)
        return Result.DUPLICATE
    notify_watchers(attempt.correlation_id)
    attempt.earlier = earlier
    attempt.note_identifiers()
    crash_point("step: row written, handler not run")
    return call_next()


def _begin(attempt: Attempt) -> list[EarlierAttempt] | None:
    """Write the row, with that of the process if it has none; the earlier attempts, None for a duplicate message.

    Raises:
        DatabaseUnavailable: nothing is written.
        EngineUnavailable: nothing is written, and the process is not known any more.
    """
    for _ in range(TRIES):
        earlier = runtime().events.begin(
            attempt.event(),
            confirm=attempt.message.confirm,
            identifiers=attempt.new_identifiers,
            process=attempt.new_process,
        )
        if attempt.new_process is None:
            return earlier
        if earlier is not None:
            remember(attempt.task, attempt.context)
            return earlier
        # Another step has written the row of the process meanwhile, or a start has taken its correlation id.
        attempt.belongs_to(*process_of(attempt.task))
    return None
