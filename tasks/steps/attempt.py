"""One attempt of a step: what is known about it, and its row in the event log."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from camunda_bridge.contents import task_values
from camunda_bridge.context import CONTEXT_VARIABLE, ExecutionContext
from camunda_bridge.engine.locked_task import LockedTask
from camunda_bridge.errors import LockLost
from camunda_bridge.executor import Execution
from camunda_bridge.steps import StepDefinition, StepOwner
from camunda_bridge.variables import Values, input_types, json_form
from store.errors import DatabaseUnavailable
from store.event_rows import LOST, RELEASED, STARTED, AttemptKey, EarlierAttempt, NewEvent, Progress
from store.identifiers import NewIdentifiers, as_texts
from store.process_rows import NewProcess
from store.retrying import retrying
from tasks.broker.step_message import StepMessage, correlation_id_of
from tasks.runtime import runtime
from tasks.topics.leases import Lease
from telemetry.logs.redaction import shown

log = logging.getLogger(__name__)


class Attempt:
    """One attempt of a step, as its middleware, its handler and the delivery of its outcome share it.

    Args:
        execution_id: names the attempt in the event log. It is the id of its Celery task, unless it runs inline.
    """

    def __init__(
        self, message: StepMessage, process: StepOwner, step: StepDefinition, *, execution_id: uuid.UUID
    ) -> None:
        self.message = message
        self.process = process
        self.step = step
        self.execution_id = execution_id
        #: what the limit of the topic counts it by
        self.lease = None if message.lease is None else Lease(message.task.topic, message.lease)
        #: earlier attempts of the same task, oldest first; known once the row of this one is written
        self.earlier: list[EarlierAttempt] = []
        #: identifiers of the process that the store has
        self.known: Mapping[str, str] = message.known
        #: the row of its process, if it is written with that of the attempt
        self.new_process: NewProcess | None = None
        self._context: ExecutionContext | None = None
        #: why it failed, once the engine has the failure
        self.failure: str | None = None
        #: code and message of the BPMN error that its handler threw, once the engine has it
        self.thrown: str | None = None
        #: whether the lock was lost to another worker
        self.is_lock_lost: Callable[[], bool] = lambda: False

    @property
    def task(self) -> LockedTask:
        """The locked external task."""
        return self.message.task

    @property
    def topic(self) -> str:
        """The topic of the step."""
        return self.message.task.topic

    @property
    def key(self) -> AttemptKey:
        """What names the attempt in the store."""
        return self.message.attempt

    @property
    def number(self) -> int:
        """The number of this attempt among those of its external task, from 1."""
        return len(self.earlier) + 1

    @cached_property
    def _variables(self) -> tuple[ExecutionContext, Values]:
        values = task_values(runtime().engine, self.task)
        return ExecutionContext.from_variable(values.pop(CONTEXT_VARIABLE, None)), values

    @property
    def context(self) -> ExecutionContext:
        """Which process the step works for, as its start wrote it, or as :meth:`belongs_to` says."""
        return self._variables[0] if self._context is None else self._context

    @property
    def values(self) -> Values:
        """The input of the handler. Contents of files are read on first use."""
        return self._variables[1]

    def belongs_to(self, context: ExecutionContext, new: NewProcess | None) -> None:
        """Note the process of an instance whose variables do not name it; `new`: its row, which is to be written."""
        self._context, self.new_process = context, new

    @property
    def correlation_id(self) -> str:
        """The correlation id of the process."""
        return correlation_id_of(self.task, self.context)

    @property
    def traceability_id(self) -> str:
        """The traceability id of the process; of one that was not started here, its instance id."""
        return self.context.traceability_id or self.task.process_instance_id

    @cached_property
    def request(self) -> dict[str, Any]:
        """The input as its event shows it."""
        document: dict[str, Any] = shown(json_form(self.values))
        return document

    @cached_property
    def identifiers(self) -> dict[str, Any]:
        """The business objects that the step is about: those of its input, then those of its output too."""
        return self.process.identifiers_in(self.request)

    @property
    def new_identifiers(self) -> NewIdentifiers | None:
        """The identifiers, if the store may not have all of them yet."""
        process_id, found = self.context.process_id, as_texts(self.identifiers)
        if process_id is None or found.items() <= self.known.items():
            return None
        return NewIdentifiers(uuid.UUID(process_id), found, self.identifiers)

    def note_identifiers(self) -> None:
        """Note that the store has the identifiers now."""
        self.known = {**self.known, **as_texts(self.identifiers)}

    @cached_property
    def input_types(self) -> dict[str, Any]:
        """Types of the input that its JSON form does not show, for `replay`."""
        types = input_types(self.task.variables)
        return {"inputTypes": types} if types else {}

    @property
    def _metadata(self) -> dict[str, Any]:
        """What the row has besides its columns: types of the input; where a step is that several elements may have."""
        task = self.task
        if self.topic == f"{task.process_definition_key}.{self.step.name}":
            return self.input_types
        return {**self.input_types, "processKey": task.process_definition_key, "element": task.activity_id}

    def event(self) -> NewEvent:
        """The row that says that the attempt has begun."""
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
            metadata=self._metadata or None,
            execution_id=self.execution_id,
        )

    def write(self, execution: Execution, progress: Progress) -> None:
        """Write the outcome into the row, and wait for a database that is unavailable, up to `DB_HOLD_S` seconds.

        Raises:
            LockLost: another process has closed the attempt.
            DatabaseUnavailable: for longer than `DB_HOLD_S`.
        """
        whole = replace(
            progress,
            metadata={**(progress.metadata or {}), **self._metadata} or None,
            identifiers=self.identifiers or None,
            http_status_code=execution.http_status_code,
            execution_time=execution.duration_ms,
        )
        events = runtime().events
        # An earlier attempt may keep an outcome that its event shows redacted: this attempt takes it over.
        has_kept_outcome = any(attempt.kept_outcome is not None for attempt in self.earlier)
        write = events.take_over if has_kept_outcome else events.progress
        new = self.new_identifiers
        if not retrying(lambda: write(self.key, whole, identifiers=new), for_s=runtime().settings.db_hold_s):
            raise LockLost("the attempt was closed by another process")
        self.note_identifiers()

    def release(self, why: str) -> None:
        """Close an attempt whose handler has not run: it does not count against the step."""
        log.warning("%s: attempt released before its handler ran: %s", self.topic, why)
        try:
            runtime().events.progress(self.key, Progress(LOST, result=why, metadata={RELEASED: True}))
        except DatabaseUnavailable as error:
            log.info("release of the attempt not written, the reconciler closes it: %s", error)
