"""Name the process in every log line of the attempt, and keep hidden values of its input out of all of them."""

from __future__ import annotations

from collections.abc import Callable

from tasks.steps.attempt import Attempt
from tasks.steps.result import Result
from telemetry import log_context
from telemetry.logs.redaction import values_at_hand


def bind_log_context(attempt: Attempt, call_next: Callable[[], Result]) -> Result:
    """Bind the ids of the process; redact the values of its input in lines and errors."""
    log_context.bind(correlation_id=attempt.correlation_id, traceability_id=attempt.traceability_id)
    with values_at_hand(attempt.values):
        return call_next()
