"""Report the failure of a step whose worker process was killed, or ran over its time limit, from another process."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from camunda_bridge.context import CONTEXT_VARIABLE, ExecutionContext
from camunda_bridge.errors import BridgeError, VariableError
from camunda_bridge.executor import Failed
from camunda_bridge.steps import StepDefinition
from camunda_bridge.variables import from_engine, input_types
from store.errors import DatabaseUnavailable
from tasks import app
from tasks.broker.notify import notify_watchers
from tasks.broker.step_message import StepMessage, correlation_id_of
from tasks.fetching.held_back import fetch_held_back
from tasks.processes import registry
from tasks.runtime import runtime
from tasks.steps.failure import failure_progress, report_failure
from tasks.steps.result import Result
from tasks.topics import leases
from telemetry import log_context, tracing
from telemetry.crash_points import crash_point
from telemetry.metrics import declared

log = logging.getLogger(__name__)


@app.task(name="report_killed")
def report_killed(body: dict[str, Any], text: str) -> None:
    """Report the attempt of this step message as failed."""
    log_context.bind_step(body)
    message = StepMessage.load(body)
    found = registry.find(message.task.topic)
    if found is None:
        return
    _, step = found
    task, context = message.task, _context(message)
    correlation_id = correlation_id_of(task, context)
    log_context.bind(correlation_id=correlation_id, traceability_id=context.traceability_id)
    # The span of the attempt itself died with its process.
    with tracing.span(
        f"report killed {task.topic}",
        parent=context.traceparent,
        kind="CONSUMER",
        attributes={
            "correlation.id": correlation_id,
            "process.instance.id": task.process_instance_id,
            "external.task.id": task.id,
        },
        only_within=True,
    ):
        tracing.fail("killed")
        _report(message, step, context, correlation_id, text)
    # The next attempt may run in this process, and end it before the next batch of spans is sent.
    tracing.send_now()


def _report(
    message: StepMessage, step: StepDefinition, context: ExecutionContext, correlation_id: str, text: str
) -> None:
    topic = message.task.topic
    log.error("%s: worker process killed during the attempt: %s", topic, text)
    if message.lease is not None and leases.release(topic, message.lease):
        fetch_held_back(topic)
    try:
        types = input_types(message.task.variables)
        failure = Failed(text, "")
        progress = replace(failure_progress(failure, step), metadata={"inputTypes": types} if types else None)
        if not runtime().events.progress(message.attempt, progress, only_from_started=True):
            # The attempt had not begun or had ended, or its handler had returned and the engine may have the outcome
            # already. Then the next attempt reports it, or the reconciler finds it in the engine's log.
            return
        crash_point("killed: failure written, not reported")
        declared.STEP_ATTEMPTS.labels(topic, Result.KILLED).inc()
        report_failure(message, step, failure, context)
        notify_watchers(correlation_id)
    except (BridgeError, DatabaseUnavailable) as error:
        log.warning("failure of %s not reported, the next attempt reports it: %s", topic, error)


def _context(message: StepMessage) -> ExecutionContext:
    try:
        return ExecutionContext.from_variable(from_engine(message.task.variables).get(CONTEXT_VARIABLE))
    except VariableError:
        return ExecutionContext()
