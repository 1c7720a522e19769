"""Open the span of the attempt, below that of the start of its process."""

from __future__ import annotations

from collections.abc import Callable

from tasks.steps.attempt import Attempt
from tasks.steps.result import Result
from telemetry import tracing


def open_span(attempt: Attempt, call_next: Callable[[], Result]) -> Result:
    """Everything inside belongs to the span `step <topic>`."""
    task = attempt.task
    with tracing.span(
        f"step {task.topic}",
        parent=attempt.context.traceparent,
        kind="CONSUMER",
        attributes={
            "correlation.id": attempt.correlation_id,
            "process.instance.id": task.process_instance_id,
            "external.task.id": task.id,
            "retries": task.retries,
        },
    ):
        return call_next()
