"""Count attempts by their result; measure the time in the queue and the time of the handler."""

from __future__ import annotations

from collections.abc import Callable

from camunda_bridge.executor import BusinessError, Completed, Execution, Failed
from tasks.steps.attempt import Attempt
from tasks.steps.result import Result
from telemetry.metrics import declared

#: how the time of a handler is labelled, by its outcome
LABELS = {Completed: Result.COMPLETED, BusinessError: Result.BPMN_ERROR, Failed: Result.FAILED}


def count_result(attempt: Attempt, call_next: Callable[[], Result]) -> Result:
    """Count the attempt by its result; one that raises has not delivered its outcome."""
    result = Result.UNDELIVERED
    try:
        result = call_next()
    finally:
        declared.STEP_ATTEMPTS.labels(attempt.topic, result).inc()
    return result


def measure_queue_time(attempt: Attempt, call_next: Callable[[], Result]) -> Result:
    """Observe how long ago the task was fetched."""
    declared.STEP_QUEUED.labels(attempt.process.key).observe(attempt.message.age_s())
    return call_next()


def measure_handler(attempt: Attempt, call_next: Callable[[], Execution]) -> Execution:
    """Observe how long the handler took, by its outcome."""
    execution = call_next()
    declared.STEP_SECONDS.labels(attempt.topic, LABELS[type(execution.outcome)]).observe(execution.duration_ms / 1000)
    return execution
