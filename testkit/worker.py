"""The worker of a test: fetches the steps of one instance, runs them, and reports the outcomes to the engine.

It uses the executor of production.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from camunda_bridge.bpmn import Diagram
from camunda_bridge.catching import is_caught
from camunda_bridge.contents import task_values
from camunda_bridge.context import CONTEXT_VARIABLE, ExecutionContext, StepContext
from camunda_bridge.definition import ProcessDefinition, WorkerDefinition
from camunda_bridge.element import element_of
from camunda_bridge.engine.locked_task import LockedTask, Topic
from camunda_bridge.errors import EngineRefused, LockLost
from camunda_bridge.executor import BusinessError, Completed, Execution, Failed, execute
from camunda_bridge.locks import new_token
from camunda_bridge.signature import Signature
from camunda_bridge.steps import StepDefinition, StepOwner
from camunda_bridge.task_fate import Fate, fate_of
from testkit.isolation import Deployments

#: duration of a lock, in milliseconds; long enough to stop a handler in a debugger
LOCK_MS = 600_000

#: the phase of an attempt, as the event log would store it
Phase = Literal["completed", "bpmn-error", "failed", "lost"]
Handle = Callable[[StepDefinition, LockedTask, int, dict[str, Any], Execution, Phase], None]


class Worker:
    """Runs the steps of a process and of the processes that it calls.

    Args:
        family: the process and those that it may call, by key.
        replaced: step name or topic -> replacement of the handler: a function, a value, or an exception.
        handled: called after each attempt with step, task, number of the attempt, input, execution and phase.
    """

    def __init__(
        self,
        deployments: Deployments,
        family: Mapping[str, ProcessDefinition],
        workers: Iterable[WorkerDefinition],
        replaced: Mapping[str, Any],
        handled: Handle,
    ) -> None:
        self._deployments = deployments
        self._engine = deployments.engine
        self._diagrams: dict[str, Diagram] = {key: deployments.diagram(process) for key, process in family.items()}
        owners: list[StepOwner] = [*family.values(), *workers]
        self._steps = {topic: step for owner in owners for topic, step in owner.steps.items()}
        self._topics = [
            Topic(deployments.key(found.name), found.variables)
            for owner in owners
            for found in (owner.topic(step) for step in owner.steps.values())
        ]
        self._attempts: dict[str, int] = {}
        self._handled = handled
        for name, replacement in replaced.items():
            self._replace(name, replacement)

    def work(self, business_key: str, instances: Callable[[], set[str]]) -> int:
        """Run the steps that are ready; returns their number.

        `instances`: gives the ids of the instance and of those that it called.
        """
        token = new_token()
        tasks = self._fetch(token, business_key)
        if not tasks and len(self._diagrams) > 1:
            # A called process may have no business key. Tasks of other instances are unlocked.
            mine = instances()
            for task in self._fetch(token, None):
                if task.process_instance_id in mine:
                    tasks.append(task)
                else:
                    self._engine.unlock(task.id, token)
        for task in tasks:
            self._run(task, token)
        return len(tasks)

    def _fetch(self, token: str, business_key: str | None) -> list[LockedTask]:
        if not self._topics:
            return []
        return self._engine.fetch_and_lock(
            self._topics, token=token, lock_duration_ms=LOCK_MS, max_tasks=50, business_key=business_key
        )

    def _run(self, task: LockedTask, token: str) -> None:
        step = self._steps[self._deployments.original(task.topic)]
        attempt = self._attempts[task.id] = self._attempts.get(task.id, 0) + 1
        values = task_values(self._engine, task)
        about = ExecutionContext.from_variable(values.pop(CONTEXT_VARIABLE, None))
        context = StepContext(
            correlation_id=about.correlation_id or task.business_key or task.process_instance_id,
            traceability_id=about.traceability_id or task.process_instance_id,
            process_instance_id=task.process_instance_id,
            step=step.name,
            attempt=attempt,
            idempotency_key=task.id,
            start_priority=about.priority,
            **element_of(task, self.diagram_of, self._engine.definition)
            | {"process_key": self._deployments.original(task.process_definition_key)},
        )
        execution = execute(step, values, context)
        try:
            execution, phase = self._deliver(step, task, token, execution)
        except LockLost:
            # An error or the end of another branch cancelled the task after it was fetched.
            phase = "lost"
        self._handled(step, task, attempt, values, execution, phase)

    def _deliver(self, step: StepDefinition, task: LockedTask, token: str, done: Execution) -> tuple[Execution, Phase]:
        """Report the outcome to the engine as a worker does; the rules are in docs/reference/error-handling.md."""
        outcome = done.outcome
        try:
            if isinstance(outcome, Completed):
                self._engine.complete(task.id, token, outcome.variables, local=step.scope == "local")
                return done, "completed" if self._is_completed(task, token) else "bpmn-error"
            if isinstance(outcome, BusinessError):
                if is_caught(self._engine, self.diagram_of, task, outcome.code):
                    self._engine.bpmn_error(task.id, token, outcome.code, outcome.message, outcome.variables)
                    return done, "bpmn-error"
                outcome = outcome.uncaught()
        except EngineRefused as error:
            if not error.is_final:
                raise
            outcome = Failed(f"the engine refused the outcome: {error}", "", final=True)
        left = 0 if outcome.final else step.retry_strategy.retries_left(task.retries)
        # Without the pause before a retry, so that tests are fast.
        self._engine.failure(task.id, token, outcome.message, outcome.details, retries=left, retry_timeout_ms=0)
        return replace(done, outcome=outcome), "failed"

    def _is_completed(self, task: LockedTask, token: str) -> bool:
        """False when a `camunda:errorEventDefinition` turned the completion into a BPMN error."""
        if task.activity_id not in self.diagram_of(task.process_definition_id).error_definitions:
            return True
        return fate_of(self._engine, task.id, token).fate is Fate.COMPLETED

    def handles(self, topic: str) -> bool:
        """True if a step has this topic."""
        return topic in self._steps

    def original(self, topic: str) -> str:
        """A topic of the engine without the suffix of this test run."""
        return self._deployments.original(topic)

    def diagram_of(self, definition_id: str) -> Diagram:
        """The diagram of a definition id, from the files of the process and of those that it calls."""
        return self._diagrams[self._deployments.original(self._engine.definition(definition_id).key)]

    def _replace(self, name: str, replacement: Any) -> None:
        topics = [topic for topic, step in self._steps.items() if name in (topic, step.name)]
        if len(topics) != 1:
            known = ", ".join(sorted(self._steps))
            raise LookupError(f"replace: {name!r} names {len(topics)} steps, it must name one; the steps are {known}")
        is_function = callable(replacement) and not isinstance(replacement, type)
        handler = replacement if is_function else _constant_handler(replacement)
        # It gets what the handler gets: the input after its schema.
        call = Signature.of(handler, has_schema=True).call
        self._steps[topics[0]] = replace(self._steps[topics[0]], handler=handler, call=call)


def _constant_handler(replacement: Any) -> Callable[[Any], Any]:
    def handler(given: Any) -> Any:
        if isinstance(replacement, BaseException):
            raise replacement
        return replacement

    return handler
