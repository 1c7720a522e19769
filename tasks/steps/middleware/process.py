"""Find the process of an attempt whose instance was not started by the facade, or was called without its context."""

from __future__ import annotations

import logging
from collections.abc import Callable

from camunda_bridge.errors import BridgeError, EngineUnavailable
from store.errors import DatabaseUnavailable
from tasks.runtime import runtime
from tasks.steps.attempt import Attempt
from tasks.steps.foreign import process_of
from tasks.steps.result import Result

log = logging.getLogger(__name__)


def find_process(attempt: Attempt, call_next: Callable[[], Result]) -> Result:
    """Give the attempt its process. While that cannot be known, the attempt does not begin: its lock expires."""
    if attempt.context.process_id is None and runtime().settings.record_foreign_instances == "on":
        try:
            attempt.belongs_to(*process_of(attempt.task))
        except (EngineUnavailable, DatabaseUnavailable) as error:
            log.warning("%s not begun, its lock expires: its process is unknown: %s", attempt.topic, error)
            return Result.PUT_OFF
        except BridgeError as error:
            log.warning("%s: its process is not listed, the engine does not show it: %s", attempt.topic, error)
    return call_next()
