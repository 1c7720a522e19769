"""How an attempt comes to its outcome: from an earlier attempt, from the count of them, or from the handler."""

from __future__ import annotations

import logging
from contextlib import nullcontext

from camunda_bridge.context import StepContext
from camunda_bridge.element import element_of
from camunda_bridge.errors import EngineUnavailable
from camunda_bridge.executor import Execution, Failed, execute
from camunda_bridge.task_fate import fate_of
from tasks.interruption import runs_in_thread
from tasks.runtime import runtime
from tasks.steps.attempt import Attempt
from tasks.steps.delivery import abandon, deliver
from tasks.steps.earlier_attempts import (
    count_lost,
    count_undelivered,
    stored_outcome,
    was_ever_lost,
    with_reported_failures,
)
from tasks.steps.engine_calls import call_with_retry
from tasks.steps.isolation import isolated
from tasks.steps.middleware import HANDLER, run_through
from tasks.steps.result import Result
from telemetry import tracing

log = logging.getLogger(__name__)


def execute_and_deliver(attempt: Attempt) -> Result:
    """Come to an outcome, write it, report it to the engine, and go on."""
    try:
        execution = _execution(attempt)
    except EngineUnavailable as error:
        attempt.release(str(error))
        return Result.PUT_OFF
    if attempt.is_lock_lost():
        abandon(attempt, "the lock was lost while the handler ran")
        return Result.LOST
    return deliver(attempt, execution)


def _execution(attempt: Attempt) -> Execution:
    """The outcome of an earlier attempt that the engine does not have yet; otherwise that of the handler.

    Raises:
        EngineUnavailable: whether the failure of an earlier attempt was reported is not known.
    """
    earlier = with_reported_failures(attempt.earlier, lambda token: _has_reported_failure(attempt, token))
    most = runtime().settings.step_max_lost
    stored = stored_outcome(earlier)
    if stored is not None:
        if count_undelivered(earlier) >= most:
            # The engine offered the task again each time: it will not accept this outcome.
            text = f"the engine never accepted the outcome of this step, in {most} attempts"
            return Execution(Failed(text, "", True), 0)
        log.info("%s: outcome of an earlier attempt found, handler not run again", attempt.topic)
        return stored
    lost = count_lost(earlier)
    if lost >= most:
        return Execution(Failed(f"{lost} attempts of this step never ended", "", True), 0)
    # A handler that may have ended its whole worker ends only its own process the next time.
    return _run_handler(attempt, is_isolated=attempt.step.isolated or was_ever_lost(earlier))


def _run_handler(attempt: Attempt, *, is_isolated: bool) -> Execution:
    tracing.annotate(attempt=attempt.number)
    context = StepContext(
        correlation_id=attempt.correlation_id,
        traceability_id=attempt.traceability_id,
        process_instance_id=attempt.task.process_instance_id,
        step=attempt.step.name,
        attempt=attempt.number,
        # The engine's task id is the same in every attempt, and differs each time a loop comes to the step.
        idempotency_key=attempt.task.id,
        traceparent=tracing.traceparent() or attempt.context.traceparent,
        start_priority=attempt.context.priority,
        **call_with_retry(lambda: element_of(attempt.task, runtime().deployed_diagram, runtime().definition)),
    )
    # In a child of a prefork pool every handler is in a process of its own.
    with isolated() if is_isolated and runs_in_thread() else nullcontext(_run_here) as run:
        return run_through(HANDLER, attempt, lambda attempt: run(attempt, context))


def _run_here(attempt: Attempt, context: StepContext) -> Execution:
    return execute(attempt.step, attempt.values, context)


def _has_reported_failure(attempt: Attempt, token: str) -> bool:
    return call_with_retry(lambda: fate_of(runtime().engine, attempt.task.id, token)).has_failed
