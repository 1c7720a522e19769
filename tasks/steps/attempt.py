"""One attempt of a step: write it down, run the handler, write down what came of it, tell the engine, go on.

Each thing is written before it is said: a crash between two lines of :meth:`Attempt.run` leaves a row from which
`reconcile`, or the next attempt, finds out what happened.
"""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import replace
from typing import Any

from camunda_bridge.contents import task_values
from camunda_bridge.context import CONTEXT_VARIABLE, ExecutionContext, StepContext
from camunda_bridge.definition import ProcessDefinition, StepDefinition
from camunda_bridge.errors import BridgeError, DefinitionError, EngineAway, EngineRefused, LockLost
from camunda_bridge.executor import BusinessError, Completed, Execution, Failed, execute
from camunda_bridge.task_fate import Fate, TaskEnd, ended_in_error, fate_of
from camunda_bridge.variables import Values, input_types, json_form
from store.database import DatabaseAway, retrying
from store.events import BPMN_ERROR, COMPLETED, COMPLETING, FAILED, LOST, RELEASED, STARTED, NewEvent, Progress
from store.processes import ERROR, OK
from tasks.broker.notify import announce
from tasks.broker.step_message import StepMessage, correlation_id_of
from tasks.fetching.follow import hand_on_slot
from tasks.fetching.next_step import go_on
from tasks.runtime import runtime
from tasks.settling.outcome import ending_by, settle_answered
from tasks.settling.settle import settle_step
from tasks.starts.instances import with_instance
from tasks.steps.earlier_attempts import count_lost, count_undelivered, stored_outcome, with_reported_failures
from tasks.steps.error_codes import deployed_bpmn, is_caught
from tasks.steps.failure import failure_progress, report_failure
from tasks.steps.telling import tell, until_answered
from tasks.steps.time_limit import time_limit
from telemetry import tracing
from telemetry.logs.redaction import shown, shown_error, shown_text
from telemetry.metrics import declared

log = logging.getLogger(__name__)

#: what an outcome leads to, unless something comes between
_PHASES = {Completed: COMPLETED, BusinessError: BPMN_ERROR, Failed: FAILED}

#: how a trace calls an outcome
_OUTCOMES = {Completed: "completed", BusinessError: "business-error", Failed: "failed"}


class Attempt:
    """One attempt of a step."""

    def __init__(
        self, message: StepMessage, process: ProcessDefinition, step: StepDefinition, *, execution_id: uuid.UUID
    ) -> None:
        self.message = message
        self.process = process
        self.step = step
        self.task = message.task
        self.key = message.attempt
        self.execution_id = execution_id
        self.values = _readable(message)
        self.context = ExecutionContext.from_variable(self.values.pop(CONTEXT_VARIABLE, None))
        self.correlation_id = correlation_id_of(self.task, self.context)
        self.traceability_id = self.context.traceability_id or self.task.process_instance_id
        #: the input as its event shows it
        self.request = shown(_documented(self.values))
        types = input_types(self.task.variables)
        #: for `replay`, which is given the input as the event shows it
        self.input_types = {"inputTypes": types} if types else {}
        self.identifiers = {name: self.request[name] for name in process.identifiers if self.request.get(name)}
        #: an earlier attempt keeps an outcome that its event shows redacted
        self.takes_over = False

    def run(self) -> None:
        """The whole attempt."""
        age_s = self.message.age_s()
        locked_at = time.monotonic() - age_s
        try:
            earlier = runtime().events.begin(self._event(), confirm=self.message.confirm)
        except DatabaseAway as error:
            log.warning("%s not begun: database is away: %s", self.task.topic, error)
            self._count("put_off")
            return
        if earlier is None:
            log.info("message for %s came twice, dropped", self.task.topic)
            self._count("duplicate")
            return
        declared.STEP_QUEUED.labels(self.process.key).observe(age_s)
        announce(self.correlation_id)
        self.takes_over = any(attempt.kept_outcome is not None for attempt in earlier)
        with runtime().keeper.holding(self.task.id, self.message.token, since=locked_at) as is_lost:
            try:
                earlier = with_reported_failures(earlier, self._has_reported_failure)
            except EngineAway as error:
                self._count("put_off")
                self._release(str(error))
                return
            stored = stored_outcome(earlier)
            most = runtime().settings.step_max_lost
            if stored is not None and count_undelivered(earlier) >= most:
                # The engine gave the task out again each time: it will not accept this outcome.
                text = f"the engine never accepted the outcome of this step, in {most} attempts"
                execution = Execution(Failed(text, "", True), 0)
            elif stored is not None:
                log.info("%s: outcome of an earlier attempt found, handler not run again", self.task.topic)
                execution = stored
            elif count_lost(earlier) >= most:
                execution = Execution(Failed(f"{count_lost(earlier)} attempts of this step never ended", "", True), 0)
            else:
                execution = self._execute(len(earlier) + 1)
            if is_lost():
                self._count(LOST)
                self._give_way("lock was lost while the handler ran")
                return
            self._deliver(execution)

    def _execute(self, attempt: int) -> Execution:
        tracing.annotate(attempt=attempt)
        context = StepContext(
            correlation_id=self.correlation_id,
            traceability_id=self.traceability_id,
            process_instance_id=self.task.process_instance_id,
            step=self.step.name,
            attempt=attempt,
            # The engine's task id stays the same in every attempt, and differs each time a loop comes by.
            idempotency_key=self.task.id,
            traceparent=tracing.traceparent() or self.context.traceparent,
        )
        with time_limit(self.step.time_limit_s or runtime().settings.step_time_limit_s):
            execution = execute(self.step, self.values, context)
        came_to = _PHASES[type(execution.outcome)]
        declared.STEP_SECONDS.labels(self.task.topic, came_to).observe(execution.duration_ms / 1000)
        return execution

    def _deliver(self, execution: Execution) -> None:
        outcome, came_to = execution.outcome, "undelivered"
        tracing.annotate(outcome=_OUTCOMES[type(outcome)])
        try:
            if isinstance(outcome, Failed):
                came_to = self._fail(outcome, execution)
            elif isinstance(outcome, BusinessError):
                came_to = self._end_in_error(outcome, execution)
            else:
                came_to = self._complete(outcome, execution)
        except LockLost as error:
            came_to = LOST
            self._give_way(str(error))
        except BridgeError as error:
            # Away, or refused for the moment (a suspended instance). The row says `completing`: whoever gets the task
            # next delivers it without running the handler again.
            log.warning("outcome of %s not delivered: %s", self.task.topic, error)
            tracing.fail(type(error).__name__)
        except DatabaseAway as error:
            # Longer than DB_HOLD_S: the lock runs out, and the next attempt or reconcile does what is left.
            log.warning("outcome of %s not written down: database is away: %s", self.task.topic, error)
            tracing.fail(type(error).__name__)
        finally:
            self._count(came_to)

    def _count(self, came_to: str) -> None:
        declared.STEP_ATTEMPTS.labels(self.task.topic, came_to).inc()

    def _complete(self, outcome: Completed, execution: Execution) -> str:
        document = shown(outcome.document)
        is_whole = document is outcome.document
        self.identifiers |= {name: document[name] for name in self.process.identifiers if document.get(name)}
        # Typed variables are for the engine alone, and no event shows them.
        exactly = {} if outcome.exact else {"variables": outcome.variables}
        kept = exactly if is_whole else {"response": outcome.document, **exactly}
        status = self._process_status()
        self._write(
            execution,
            Progress(
                COMPLETING,
                business_action_response=document,
                result=self.step.success,
                kept_outcome=kept or None,
                process_status=status,
            ),
        )
        may_become_an_error = self._may_become_an_error()
        try:
            tell(
                lambda: runtime().engine.complete(self.task.id, self.message.token, outcome.variables),
                was_taken=lambda end: end.fate is Fate.COMPLETED or (may_become_an_error and self._was_error(end)),
                attempt=self.key,
            )
        except EngineRefused as error:
            return self._fail(_refused(error), execution)
        if may_become_an_error and until_answered(self._became_an_error):
            return self._end_as_error()
        if status is not None:
            self._settle(status, outcome)
        else:
            go_on(self.task, confirm=self.key)
        return COMPLETED

    def _end_in_error(self, outcome: BusinessError, execution: Execution) -> str:
        tracing.fail(outcome.code)
        document = shown_error(outcome.document, outcome.document)
        self._write(
            execution,
            Progress(
                COMPLETING,
                business_action_response=document,
                result=self.step.error,
                metadata={"bpmnError": outcome.kind},
                kept_outcome=None if document == outcome.document else {"response": outcome.document},
            ),
        )
        if not until_answered(lambda: is_caught(self.task, outcome.code)):
            return self._fail(outcome.uncaught(), execution)
        try:
            tell(
                lambda: runtime().engine.bpmn_error(
                    self.task.id, self.message.token, outcome.code, outcome.message, outcome.variables
                ),
                was_taken=self._was_error,
                attempt=self.key,
            )
        except EngineRefused as error:
            return self._fail(_refused(error), execution)
        return self._end_as_error()

    def _end_as_error(self) -> str:
        """The engine made a BPMN error of the outcome: the process goes on where that is caught."""
        retrying(lambda: runtime().events.close(self.key, BPMN_ERROR), for_s=runtime().settings.db_hold_s)
        announce(self.correlation_id)
        go_on(self.task, confirm=None)
        return BPMN_ERROR

    def _fail(self, outcome: Failed, execution: Execution) -> str:
        tracing.fail("failed")
        outcome = Failed(shown_text(outcome.message), shown_text(outcome.details), outcome.final)
        log.warning("%s: attempt failed: %s", self.task.topic, outcome.message)
        self._write(execution, failure_progress(outcome, self.step))
        report_failure(self.message, self.step, outcome, self.context)
        announce(self.correlation_id)
        return FAILED

    def _process_status(self) -> str | None:
        """The status that this step's completion gives the process; None for a step that is no response step here.

        The response step of a process that was called answers for nobody.
        """
        context = self.context
        is_called = context.process_key is not None and context.process_key != self.task.process_definition_key
        if self.step.outcome is None or context.process_id is None or is_called:
            return None
        return OK if self.step.outcome == "ok" else ERROR

    def _settle(self, status: str, outcome: Completed) -> None:
        """End the process as its response step says."""
        ending = ending_by(status, outcome.document, self.identifiers or None)
        process_id = uuid.UUID(self.context.process_id)
        won = retrying(
            lambda: settle_step(
                process_id,
                ending,
                process_key=self.task.process_definition_key,
                process_instance_id=self.task.process_instance_id,
                correlation_id=self.correlation_id,
                traceability_id=self.traceability_id,
                confirm=self.key,
                has_callback=self.context.has_callback,
            ),
            for_s=runtime().settings.db_hold_s,
        )
        if not won and not self._settle_otherwise(process_id):
            go_on(self.task, confirm=self.key)
            return
        hand_on_slot()

    def _settle_otherwise(self, process_id: uuid.UUID) -> bool:
        """Settle a row that has ended, has no instance yet, or has another answer; False when this is not its instance.

        Raises:
            EngineAway: which answer was the first is not known; the reconciler finds out.
        """
        found = retrying(lambda: runtime().processes.by_id(process_id), for_s=runtime().settings.db_hold_s)
        if found is None:
            return False
        row = until_answered(lambda: with_instance(found))
        if row.process_instance_id != self.task.process_instance_id:
            return False
        return until_answered(lambda: settle_answered(row, known=self.key))

    def _may_become_an_error(self) -> bool:
        """True when the diagram may make a BPMN error of this step's completion: `camunda:errorEventDefinition`."""
        try:
            bpmn = until_answered(lambda: deployed_bpmn(self.task.process_definition_id))
        except DefinitionError as error:
            log.warning("%s: its diagram cannot be read: %s", self.task.topic, error)
            return False
        return self.task.activity_id in bpmn.error_definitions

    def _became_an_error(self) -> bool:
        return self._was_error(fate_of(runtime().engine, self.task.id, self.message.token))

    def _was_error(self, end: TaskEnd) -> bool:
        return ended_in_error(runtime().engine, end, self.task.process_instance_id)

    def _has_reported_failure(self, token: str) -> bool:
        return until_answered(lambda: fate_of(runtime().engine, self.task.id, token)).has_failed

    def _write(self, execution: Execution, came_to: Progress) -> None:
        """Write down what the handler came to, waiting for a database that is away, the lock kept alive meanwhile."""
        progress = replace(
            came_to,
            metadata={**(came_to.metadata or {}), **self.input_types} or None,
            identifiers=self.identifiers or None,
            http_status_code=execution.http_status_code,
            execution_time=execution.duration_ms,
        )
        events = runtime().events
        write = events.take_over if self.takes_over else events.progress
        if not retrying(lambda: write(self.key, progress), for_s=runtime().settings.db_hold_s):
            raise LockLost("the attempt was resolved otherwise meanwhile")

    def _release(self, why: str) -> None:
        """Another attempt is to begin anew: this one has done nothing that counts."""
        log.warning("%s: attempt released before its handler ran: %s", self.task.topic, why)
        try:
            runtime().events.progress(self.key, Progress(LOST, result=why, metadata={RELEASED: True}))
        except DatabaseAway as error:
            log.info("release of the attempt is not written down: %s", error)

    def _give_way(self, why: str) -> None:
        """Another attempt has the task, or it is gone: neither complete nor record success."""
        log.warning("%s: attempt ends without effect: %s", self.task.topic, why)
        tracing.fail("lost")
        try:
            if runtime().engine.external_task(self.task.id) is not None:
                runtime().events.close(self.key, LOST)
        except (BridgeError, DatabaseAway) as error:
            # Gone, or unknown: the engine's log tells reconcile who completed it. It may have been this attempt, whose
            # first `complete` was accepted and never answered.
            log.info("what became of the attempt is left to reconcile: %s", error)

    def _event(self) -> NewEvent:
        step = self.step
        return NewEvent(
            phase=STARTED,
            traceability_id=self.traceability_id,
            batch_id=self.context.batch_id,
            application_id=self.context.application_id,
            correlation_id=self.correlation_id,
            process_instance_id=self.task.process_instance_id,
            external_task_id=self.task.id,
            lock_token=self.message.token,
            target_system=step.target_system,
            originating_system=step.originating_system,
            process_name=step.process_name,
            step=step.order,
            step_name=step.name,
            business_action_request=self.request,
            identifiers=self.identifiers or None,
            http_method=step.http_method,
            endpoint=step.endpoint,
            metadata=self.input_types or None,
            # Whoever reads the log finds the attempt in Flower by it, unless it ran in place.
            execution_id=self.execution_id,
        )


def _refused(error: EngineRefused) -> Failed:
    """What becomes of an outcome that the engine refuses for what it says: another attempt would be refused alike.

    Raises:
        EngineRefused: it refuses for the moment alone.
    """
    if not error.is_final:
        raise error
    return Failed(f"the engine refused the outcome: {error}", "", final=True)


def _readable(message: StepMessage) -> Values:
    return task_values(runtime().engine, message.task)


def _documented(values: Values) -> dict[str, Any]:
    """Values as an event keeps them; nothing is read for it."""
    document: dict[str, Any] = json_form(values)
    return document
