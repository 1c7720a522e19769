"""Tell the engine that an attempt failed; when no retry is left, tell the waiting client too."""

from __future__ import annotations

import logging
import random
import uuid

from camunda_bridge.context import ExecutionContext
from camunda_bridge.definition import StepDefinition
from camunda_bridge.errors import BridgeError
from camunda_bridge.executor import Failed
from metrics import declared
from store.database import retrying
from store.processes import ERROR, Ending, ProcessRow
from tasks.messages import StepMessage
from tasks.runtime import runtime
from tasks.settle import settle

log = logging.getLogger(__name__)

#: longest pause between two attempts, in seconds
MAX_PAUSE_S = 3600.0


def report_failure(message: StepMessage, step: StepDefinition, failure: Failed, context: ExecutionContext) -> None:
    """Report a failed attempt with the retries that are left.

    Raises:
        LockLost: the task is another's by now.
        EngineAway: the engine was not told; the lock runs out and the step is tried again.
    """
    left = 0 if failure.final else step.retries_left(message.task.retries)
    runtime().engine.failure(
        message.task.id,
        message.token,
        failure.message,
        failure.details,
        retries=left,
        # The pause is a lock to the engine: without a retry there is nothing to pause for, and ops need not wait.
        retry_timeout_ms=retry_pause_ms(left, step) if left else 0,
    )
    if left == 0:
        row = retrying(lambda: _row(message, context), for_s=runtime().settings.db_hold_s)
        if row is not None:
            settle_incident(row, failure.message, step.name)


def retry_pause_ms(left: int, step: StepDefinition) -> int:
    """Exponential back-off with jitter, in milliseconds: from `retry_base_s`, doubled with each failed attempt."""
    failed_before = min(max(0, step.retries - left), 60)  # beyond, the pause is the longest anyway
    pause_s: float = min(MAX_PAUSE_S, step.retry_base_s * 2.0**failed_before)
    return int(pause_s * random.uniform(0.75, 1.25) * 1000)


def settle_incident(row: ProcessRow, text: str, step_name: str | None = None) -> bool:
    """The row's process stands still on an incident: `error`, and the waiting client is told now.

    False when it had ended before.
    """
    # The row must say that it stands on an incident even if the engine cannot say on which.
    incident_id = "unknown"
    try:
        incidents = runtime().engine.incidents_of(row.process_instance_id or "")
        incident_id = incidents[0]["id"] if incidents else incident_id
    except BridgeError as error:
        log.info("incident of %s not found: %s", row.correlation_id, error)
    error_document = {"code": "INCIDENT", "message": text, "type": "incident", "step": step_name}
    ending = Ending(ERROR, error=error_document, incident_id=incident_id)
    won = retrying(lambda: settle(row, ending), for_s=runtime().settings.db_hold_s)
    if won:
        declared.INCIDENTS.labels(row.process_key).inc()
    return won


def _row(message: StepMessage, context: ExecutionContext) -> ProcessRow | None:
    processes = runtime().processes
    if context.process_id is not None:
        return processes.by_id(uuid.UUID(context.process_id))
    return processes.by_instance_id(message.task.process_instance_id)
