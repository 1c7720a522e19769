"""Report a failed attempt to the engine; when that makes an incident, end the process's row with it."""

from __future__ import annotations

import logging
import random
import uuid
from typing import Any

from camunda_bridge.context import ExecutionContext
from camunda_bridge.definition import StepDefinition
from camunda_bridge.errors import BridgeError, EngineRefused, NotFound
from camunda_bridge.executor import Failed
from store.database import retrying
from store.events import COMPLETING, FAILED, Progress
from store.processes import ERROR, PENDING, Ending, ProcessRow
from tasks.broker.step_message import StepMessage
from tasks.fetching.next_step import go_on
from tasks.runtime import runtime
from tasks.settling.incidents import turn
from tasks.settling.settle import settle
from tasks.starts.instances import with_instance
from tasks.steps.error_codes import deployed_bpmn
from tasks.steps.telling import tell, until_answered
from telemetry.metrics import declared

log = logging.getLogger(__name__)

#: longest pause between two attempts, in seconds
MAX_PAUSE_S = 3600.0


def failure_progress(failure: Failed, step: StepDefinition) -> Progress:
    """What the event of a failed attempt says before the engine is told."""
    return Progress(
        COMPLETING,
        business_action_response={"message": failure.message},
        result=step.error,
        error_details=failure.details or None,
        kept_outcome={"failure": {"final": failure.final}},
    )


def report_failure(message: StepMessage, step: StepDefinition, failure: Failed, context: ExecutionContext) -> None:
    """Report an attempt that failed, as its event says already, with the retries that are left; then close it.

    Raises:
        LockLost: the task is another's by now.
        EngineAway: the engine was not told; the next attempt reports the failure in place of running the handler.
    """
    task = message.task
    left = 0 if failure.final else step.retries_left(task.retries)
    # The pause is a lock to the engine: without a retry there is nothing to pause for, and ops need not wait.
    pause_ms = retry_pause_ms(left, step) if left else 0
    text = failure.message
    try:
        tell(
            lambda: runtime().engine.failure(
                task.id, message.token, failure.message, failure.details, retries=left, retry_timeout_ms=pause_ms
            ),
            was_taken=lambda end: end.has_failed,
            attempt=message.attempt,
        )
    except EngineRefused as error:
        if not error.is_final:
            raise
        # An expression of the diagram that looks at the failure, for example. Without retries there is an incident all
        # the same.
        left, text = 0, f"{text}; the engine refused the report of it: {error}"
        until_answered(lambda: runtime().engine.set_task_retries(task.id, 0))
    retrying(lambda: runtime().events.close(message.attempt, FAILED), for_s=runtime().settings.db_hold_s)
    if _became_an_error(message):
        go_on(task, confirm=None)
    elif left == 0:
        row = retrying(lambda: _row(message, context), for_s=runtime().settings.db_hold_s)
        if row is not None:
            settle_incident(row, text, step.name)


def _became_an_error(message: StepMessage) -> bool:
    """True when a `camunda:errorEventDefinition` has made a BPMN error of the failure: the task is gone."""
    task = message.task
    try:
        if task.activity_id not in deployed_bpmn(task.process_definition_id).error_definitions:
            return False
        return runtime().engine.external_task(task.id) is None
    except BridgeError as error:
        # Then there is an incident or not: whoever settles it looks for it.
        log.info("%s: whether its failure became an error is not known: %s", task.topic, error)
        return False


def retry_pause_ms(left: int, step: StepDefinition) -> int:
    """Exponential back-off with jitter, in milliseconds: from `retry_base_s`, doubled with each failed attempt."""
    failed_before = min(max(0, step.retries - left), 60)  # beyond, the pause is the longest anyway
    pause_s: float = min(MAX_PAUSE_S, step.retry_base_s * 2.0**failed_before)
    return int(pause_s * random.uniform(0.75, 1.25) * 1000)


def settle_incident(row: ProcessRow, text: str | None = None, step_name: str | None = None) -> bool:
    """End the row of a process that has an open incident, and tell the waiting client now.

    `text`, `step_name`: what failed and where, if the caller knows; else as the incident says.

    False when it has none (it was resolved meanwhile, or a BPMN error was made of the failure), when the engine cannot
    tell, or when the row had ended before. What cannot be told now, the reconciler finds.
    """
    # A retry at the same moment would leave the row in `error` while the process runs.
    with turn(row.id):
        try:
            row = with_instance(row)
            incidents = runtime().engine.incidents_of(row.process_instance_id) if row.process_instance_id else []
            if not incidents or row.status != PENDING:
                return False
            if text is None:
                text, step_name = _cause(incidents[0])
        except NotFound:
            # Resolved between two calls.
            return False
        except BridgeError as error:
            log.info("incident of %s left to reconcile: %s", row.correlation_id, error)
            return False
        error_document = {"code": "INCIDENT", "message": text, "type": "incident", "step": step_name}
        ending = Ending(ERROR, error=error_document, incident_id=incidents[0]["id"])
        won = retrying(lambda: settle(row, ending), for_s=runtime().settings.db_hold_s)
    if won:
        declared.INCIDENTS.labels(row.process_key).inc()
    return won


def _cause(incident: dict[str, Any]) -> tuple[str, str]:
    """What failed and where: an incident of a called process shows at its caller without its message.

    Raises:
        NotFound: it was resolved.
    """
    if incident["rootCauseIncidentId"] not in (None, incident["id"]):
        incident = runtime().engine.incident(incident["rootCauseIncidentId"])
    return incident["incidentMessage"] or incident["incidentType"], incident["activityId"]


def _row(message: StepMessage, context: ExecutionContext) -> ProcessRow | None:
    processes = runtime().processes
    if context.process_id is not None:
        return processes.by_id(uuid.UUID(context.process_id))
    return processes.by_instance_id(message.task.process_instance_id)
