"""Deliver the outcome of an attempt: write it, report it to the engine, and go on with the process.

Each thing is written before it is reported. A crash in between leaves a row from which the next attempt or the
reconciler finds out what happened.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace

from camunda_bridge.catching import is_caught
from camunda_bridge.errors import BridgeError, DefinitionError, EngineRefused, LockLost
from camunda_bridge.executor import BusinessError, Completed, Execution, Failed
from camunda_bridge.task_fate import Fate, TaskEnd, ended_in_error, fate_of
from store.errors import DatabaseUnavailable
from store.event_rows import BPMN_ERROR, COMPLETING, DROPPED_FIELDS, FAILED, LOST, Progress
from store.process_rows import ERROR, OK
from store.retrying import retrying
from tasks.broker.notify import notify_watchers
from tasks.fetching.follow import fetch_from_backlog
from tasks.fetching.next_step import follow_step
from tasks.runtime import runtime
from tasks.settling.instances import with_instance
from tasks.settling.outcome import ending_by, settle_answered
from tasks.settling.settle import settle_step
from tasks.steps.attempt import Attempt
from tasks.steps.engine_calls import call_with_retry, report_outcome
from tasks.steps.failure import failure_progress, report_failure
from tasks.steps.result import Result
from telemetry import tracing
from telemetry.crash_points import crash_point
from telemetry.logs.redaction import shown, shown_error, shown_text

log = logging.getLogger(__name__)

#: how a span names an outcome
_SPAN_OUTCOMES = {Completed: "completed", BusinessError: "business-error", Failed: "failed"}


def deliver(attempt: Attempt, execution: Execution) -> Result:
    """Deliver the outcome as far as it can be delivered now."""
    outcome = execution.outcome
    crash_point("step: handler done, outcome not written")
    tracing.annotate(outcome=_SPAN_OUTCOMES[type(outcome)])
    try:
        if isinstance(outcome, Failed):
            return _fail(attempt, outcome, execution)
        if isinstance(outcome, BusinessError):
            return _throw_error(attempt, outcome, execution)
        return _complete(attempt, outcome, execution)
    except LockLost as error:
        abandon(attempt, str(error))
        return Result.LOST
    except BridgeError as error:
        # The engine is unavailable, or refuses for the moment (a suspended instance). The row says `completing`: the
        # next attempt of the task reports the outcome without running the handler again.
        log.warning("outcome of %s not reported, the next attempt reports it: %s", attempt.topic, error)
        tracing.fail(type(error).__name__)
    except DatabaseUnavailable as error:
        # For longer than DB_HOLD_S.
        log.warning("outcome of %s not written, its lock expires: database unavailable: %s", attempt.topic, error)
        tracing.fail(type(error).__name__)
    return Result.UNDELIVERED


def abandon(attempt: Attempt, why: str) -> None:
    """Discard the outcome: another attempt has the task, or it is gone. Nothing is completed or recorded as success."""
    log.warning("%s: lock lost, outcome discarded: %s", attempt.topic, why)
    tracing.fail("lost")
    try:
        if runtime().engine.external_task(attempt.task.id) is not None:
            runtime().events.close(attempt.key, LOST)
    except (BridgeError, DatabaseUnavailable) as error:
        # The task is gone or its end is unknown: the reconciler reads in the engine's log who completed it. That may
        # have been this attempt, if its first `complete` was accepted and the answer lost.
        log.info("%s: end of the discarded attempt left to the reconciler: %s", attempt.topic, error)


def _complete(attempt: Attempt, outcome: Completed, execution: Execution) -> Result:
    document = shown(outcome.document)
    is_whole = document is outcome.document
    attempt.identifiers |= attempt.process.identifiers_in(document)
    # Typed variables are for the engine alone; no event shows them.
    exactly = {} if outcome.exact else {"variables": outcome.variables}
    kept = exactly if is_whole else {"response": outcome.document, **exactly}
    status = _process_status(attempt)
    progress = Progress(
        COMPLETING,
        business_action_response=document,
        result=attempt.step.success,
        kept_outcome=kept or None,
        metadata={DROPPED_FIELDS: list(outcome.dropped)} if outcome.dropped else None,
        process_status=status,
    )
    attempt.write(execution, progress)
    crash_point("step: outcome written, not reported")
    may_become_error = _may_become_error(attempt)
    is_local = attempt.step.scope == "local"
    try:
        report_outcome(
            lambda: runtime().engine.complete(
                attempt.task.id, attempt.message.token, outcome.variables, local=is_local
            ),
            was_accepted=lambda end: end.fate is Fate.COMPLETED or (may_become_error and _was_error(attempt, end)),
            attempt=attempt.key,
        )
    except EngineRefused as error:
        return _fail(attempt, _refused(error), execution)
    if may_become_error and call_with_retry(lambda: _became_error(attempt)):
        return _follow_error(attempt)
    if status is None:
        crash_point("step: completion accepted, not followed")
        follow_step(attempt.task, confirm=attempt.key, known=attempt.known)
    else:
        crash_point("step: completion accepted, process not settled")
        _settle(attempt, status, outcome)
    return Result.COMPLETED


def _throw_error(attempt: Attempt, outcome: BusinessError, execution: Execution) -> Result:
    document = shown_error(outcome.document, outcome.document)
    progress = Progress(
        COMPLETING,
        business_action_response=document,
        result=attempt.step.error,
        metadata={"bpmnError": outcome.kind},
        kept_outcome=None if document == outcome.document else {"response": outcome.document},
    )
    attempt.write(execution, progress)
    crash_point("step: BPMN error written, not reported")
    engine, shared = runtime().engine, runtime()
    if not call_with_retry(lambda: is_caught(engine, shared.deployed_diagram, attempt.task, outcome.code)):
        return _fail(attempt, outcome.uncaught(), execution)
    try:
        report_outcome(
            lambda: engine.bpmn_error(
                attempt.task.id, attempt.message.token, outcome.code, outcome.message, outcome.variables
            ),
            was_accepted=lambda end: _was_error(attempt, end),
            attempt=attempt.key,
        )
    except EngineRefused as error:
        return _fail(attempt, _refused(error), execution)
    attempt.thrown = shown_text(f"{outcome.code}: {outcome.message}")
    return _follow_error(attempt)


def _follow_error(attempt: Attempt) -> Result:
    """Close an attempt that the engine ended in a BPMN error; the process goes on where that is caught."""
    crash_point("step: BPMN error accepted, attempt not closed")
    retrying(lambda: runtime().events.close(attempt.key, BPMN_ERROR), for_s=runtime().settings.db_hold_s)
    notify_watchers(attempt.correlation_id)
    crash_point("step: BPMN error closed, not followed")
    follow_step(attempt.task, confirm=None, known=attempt.known)
    return Result.BPMN_ERROR


def _fail(attempt: Attempt, outcome: Failed, execution: Execution) -> Result:
    tracing.fail("failed")
    outcome = replace(
        outcome,
        message=shown_text(outcome.message),
        details=shown_text(outcome.details),
        errors=shown_error(outcome.errors),
    )
    _log_failure(attempt, outcome)
    attempt.write(execution, failure_progress(outcome, attempt.step))
    report_failure(attempt.message, attempt.step, outcome, attempt.context, number=attempt.number)
    attempt.failure = f"{outcome.message} ({outcome.where})" if outcome.where else outcome.message
    notify_watchers(attempt.correlation_id)
    return Result.FAILED


def _log_failure(attempt: Attempt, failure: Failed) -> None:
    """Log a failed attempt; with its stack trace, unless an earlier attempt has failed in the same way."""
    left = 0 if failure.final else attempt.step.retry_strategy.retries_left(attempt.task.retries)
    is_known = any(
        earlier.phase == FAILED and (earlier.business_action_response or {}).get("message") == failure.message
        for earlier in attempt.earlier
    )
    fields: dict[str, object] = {"step": attempt.step.name, "attempt": attempt.number, "where": failure.where}
    if failure.details and not is_known:
        fields["exception"] = failure.details
    log.warning(
        "step %s failed in attempt %d: %s%s; retries left: %d",
        attempt.step.name,
        attempt.number,
        failure.message,
        f" ({failure.where})" if failure.where else "",
        left,
        extra=fields,
    )


def _process_status(attempt: Attempt) -> str | None:
    """The status that the completion gives the process; None unless this is a response step of the process started.

    A response step of a called process ends nothing: nobody waits for that process.
    """
    context, key = attempt.context, attempt.task.process_definition_key
    is_called = context.process_key is not None and context.process_key != key
    if attempt.step.outcome is None or context.process_id is None or is_called:
        return None
    return OK if attempt.step.outcome == "ok" else ERROR


def _settle(attempt: Attempt, status: str, outcome: Completed) -> None:
    """End the process as its response step says; then fetch a task that waits for a slot."""
    ending = ending_by(status, outcome.document, attempt.identifiers or None)
    process_id = uuid.UUID(attempt.context.process_id)
    won = retrying(
        lambda: settle_step(
            process_id,
            ending,
            process_key=attempt.task.process_definition_key,
            process_instance_id=attempt.task.process_instance_id,
            correlation_id=attempt.correlation_id,
            traceability_id=attempt.traceability_id,
            confirm=attempt.key,
            has_callback=attempt.context.has_callback,
        ),
        for_s=runtime().settings.db_hold_s,
    )
    crash_point("step: process settled, backlog not fetched")
    if won or _settle_by_first_answer(attempt, process_id):
        fetch_from_backlog()
    else:
        follow_step(attempt.task, confirm=attempt.key, known=attempt.known)


def _settle_by_first_answer(attempt: Attempt, process_id: uuid.UUID) -> bool:
    """Settle a row that has ended, has no instance yet, or has another answer; False when it has another instance.

    Raises:
        EngineUnavailable: which answer was the first is not known; the reconciler finds out.
    """
    found = retrying(lambda: runtime().processes.by_id(process_id), for_s=runtime().settings.db_hold_s)
    if found is None:
        return False
    row = call_with_retry(lambda: with_instance(found))
    if row.process_instance_id != attempt.task.process_instance_id:
        return False
    return call_with_retry(lambda: settle_answered(row, known=attempt.key))


def _may_become_error(attempt: Attempt) -> bool:
    """True when a `camunda:errorEventDefinition` may make a BPMN error of this step's completion."""
    try:
        diagram = call_with_retry(lambda: runtime().deployed_diagram(attempt.task.process_definition_id))
    except DefinitionError as error:
        log.warning("%s: its diagram cannot be read: %s", attempt.topic, error)
        return False
    return attempt.task.activity_id in diagram.error_definitions


def _became_error(attempt: Attempt) -> bool:
    return _was_error(attempt, fate_of(runtime().engine, attempt.task.id, attempt.message.token))


def _was_error(attempt: Attempt, end: TaskEnd) -> bool:
    return ended_in_error(runtime().engine, end, attempt.task.process_instance_id)


def _refused(error: EngineRefused) -> Failed:
    """The failure of an attempt whose outcome the engine refuses for its content: the next would be refused alike.

    Raises:
        EngineRefused: the engine refuses only for the moment.
    """
    if not error.is_final:
        raise error
    return Failed(f"the engine refused the outcome: {error}", "", final=True)
