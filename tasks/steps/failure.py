"""Report a failed attempt to the engine; if that opens an incident, end the row of the process with it."""

from __future__ import annotations

import logging
import uuid

from camunda_bridge.context import ExecutionContext
from camunda_bridge.errors import BridgeError, EngineRefused
from camunda_bridge.executor import Failed
from camunda_bridge.steps import StepDefinition
from store.event_rows import COMPLETING, FAILED, Progress
from store.process_rows import ProcessRow
from store.retrying import retrying
from tasks.broker.step_message import StepMessage
from tasks.fetching.next_step import follow_step
from tasks.runtime import runtime
from tasks.settling.incidents import settle_incident
from tasks.steps.engine_calls import call_with_retry, report_outcome
from telemetry.crash_points import crash_point

log = logging.getLogger(__name__)


def failure_progress(failure: Failed, step: StepDefinition) -> Progress:
    """The row of a failed attempt, before the failure is reported."""
    return Progress(
        COMPLETING,
        business_action_response=failure.document,
        result=step.error,
        error_details=failure.details or None,
        kept_outcome={"failure": {"final": failure.final}},
    )


def report_failure(
    message: StepMessage,
    step: StepDefinition,
    failure: Failed,
    context: ExecutionContext,
    *,
    number: int | None = None,
) -> None:
    """Report a failed attempt, whose row has the failure already, with the retries that are left; then close the row.

    `number`: the number of the attempt, if it is known.

    Raises:
        LockLost: another worker has the task.
        EngineUnavailable: the failure was not reported; the next attempt reports it and does not run the handler.
    """
    task, strategy, text = message.task, step.retry_strategy, failure.message
    left = 0 if failure.final else strategy.retries_left(task.retries)
    pause_ms = strategy.pause_ms(left)
    crash_point("step: failure written, not reported")
    try:
        report_outcome(
            lambda: runtime().engine.failure(
                task.id, message.token, failure.message, failure.details, retries=left, retry_timeout_ms=pause_ms
            ),
            was_accepted=lambda end: end.has_failed,
            attempt=message.attempt,
        )
    except EngineRefused as error:
        if not error.is_final:
            raise
        # An expression of the diagram that reads the failure cannot be evaluated, for example. Without retries there is
        # an incident all the same.
        left, text = 0, f"{text}; the engine refused the report of it: {error}"
        call_with_retry(lambda: runtime().engine.set_task_retries(task.id, 0))
    crash_point("step: failure accepted, attempt not closed")
    retrying(lambda: runtime().events.close(message.attempt, FAILED), for_s=runtime().settings.db_hold_s)
    if _became_error(message):
        follow_step(task, confirm=None)
    elif left == 0:
        crash_point("step: last failure closed, incident not settled")
        row = retrying(lambda: _row(message, context), for_s=runtime().settings.db_hold_s)
        if row is not None:
            document = {**failure.document, "message": text, "step": step.name, "attempt": number}
            settle_incident(row, {name: value for name, value in document.items() if value is not None})


def _became_error(message: StepMessage) -> bool:
    """True when a `camunda:errorEventDefinition` has made a BPMN error of the failure: then the task is gone."""
    task = message.task
    try:
        if task.activity_id not in runtime().deployed_diagram(task.process_definition_id).error_definitions:
            return False
        return runtime().engine.external_task(task.id) is None
    except BridgeError as error:
        # The row is settled only if the engine has an incident.
        log.info("%s: it is unknown whether its failure became a BPMN error: %s", task.topic, error)
        return False


def _row(message: StepMessage, context: ExecutionContext) -> ProcessRow | None:
    processes = runtime().processes
    if context.process_id is not None:
        return processes.by_id(uuid.UUID(context.process_id))
    return processes.by_instance_id(message.task.process_instance_id)
