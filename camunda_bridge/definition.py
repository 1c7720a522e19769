"""Declares processes: a BPMN file, schemas, and a plain function for each step.

    process = define_process("onboard-user", start_schema=OnboardUser)

    @process.step("validate-user-information", order=1, input_schema=UserInformation)
    def validate_user_information(user: User) -> dict[str, str]:
        return {"userId": user.user_id}

The topic of a step is ``<process key>.<step name>``, unless `topic` names another one. A handler gets the input of the
step and, if it asks for it, a :class:`StepContext`; :mod:`camunda_bridge.signature` has the forms. The fields that it
returns become process variables.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Literal

from marshmallow import Schema

from camunda_bridge.bpmn import Diagram, read_diagram
from camunda_bridge.context import CONTEXT_VARIABLE, StepContext
from camunda_bridge.engine.locked_task import Topic
from camunda_bridge.errors import DefinitionError
from camunda_bridge.hooks import NO_HOOKS, After, Before, Hooks, OnError
from camunda_bridge.retry import DEFAULT_BASE_S, DEFAULT_RETRIES, DEFAULT_RETRY, ExponentialBackoff, RetryStrategy
from camunda_bridge.signature import Call, Signature
from settings.reading import RATE

Handler = Callable[..., Any]
Outcome = Literal["ok", "error"]

#: identifiers: fields that name a business object; they are stored with every event and process row
IDENTIFIERS = ("customerId", "userId", "orderId", "accountId")

#: variables that a business error, or the boundary event that catches it, sets for the steps that follow
ERROR_VARIABLES = ("errorCode", "errorMessage", "errorType", "errorDetails")


def _no_call(_given: Any, _context: StepContext) -> Any:
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class StepDefinition:
    """One step: its handler and its options.

    Attributes:
        outcome: marks a response step: the last step of its process. Its output is the result (ok) or the error.
        retry_strategy: how many retries the step has, and the pauses between them.
        hooks: the functions around the handler: those of the process and those of the step.
        error_codes: codes of business errors that the handler raises but that can't be read from its source.
        max_concurrency: how many steps of this topic may run at once, on all workers together.
        rate: how many may begin in a time, on all workers together, such as ``5/second``.

    Ops may change `max_concurrency` and `rate` at run time.
    """

    name: str
    topic: str
    handler: Handler
    order: int = 0
    input_schema: Schema | None = None
    output_schema: Schema | None = None
    call: Call = _no_call
    outcome: Outcome | None = None
    retry_strategy: RetryStrategy = DEFAULT_RETRY
    hooks: Hooks = NO_HOOKS
    time_limit_s: int | None = None
    invalid_input_code: str = "VALIDATION_ERROR"
    error_codes: tuple[str, ...] = ()
    max_concurrency: int | None = None
    rate: str | None = None
    http_method: str | None = None
    endpoint: str | None = None
    success: str | None = None
    error: str | None = None
    target_system: str | None = None
    originating_system: str | None = None
    process_name: str | None = None

    @property
    def input_names(self) -> list[str]:
        """The names of the variables in the input schema; empty without a schema."""
        if self.input_schema is None:
            return []
        return [item.data_key or name for name, item in self.input_schema.fields.items()]

    @property
    def retries(self) -> int:
        """How many attempts the step has after the first."""
        return self.retry_strategy.retries


@dataclass(slots=True)
class StepOwner:
    """What declares steps: a process, or a worker that belongs to no process."""

    key: str
    _: KW_ONLY
    process_name: str = ""
    originating_system: str = ""
    identifiers: tuple[str, ...] = IDENTIFIERS
    hooks: Hooks = NO_HOOKS
    #: the steps by their topics
    steps: dict[str, StepDefinition] = field(default_factory=dict)

    @property
    def queue(self) -> str:
        """The Celery queue of these steps."""
        return f"steps.{self.key}"

    def default_topic(self, name: str) -> str:
        """The topic of a step that names none."""
        return f"{self.key}.{name}"

    def process_keys(self, step: StepDefinition) -> tuple[str, ...] | None:
        """The processes whose tasks are fetched for a step; None for all."""
        # Another process may have tasks of a topic that is not named after this one.
        return None if step.topic == self.default_topic(step.name) else (self.key,)

    def step(
        self,
        name: str,
        *,
        topic: str | None = None,
        order: int = 0,
        input_schema: type[Schema] | None = None,
        output_schema: type[Schema] | None = None,
        outcome: Outcome | None = None,
        retries: int | None = None,
        retry_base_s: float | None = None,
        retry_strategy: RetryStrategy | None = None,
        before: Iterable[Before] = (),
        after: Iterable[After] = (),
        on_error: Iterable[OnError] = (),
        time_limit_s: int | None = None,
        invalid_input_code: str = "VALIDATION_ERROR",
        error_codes: Iterable[str] = (),
        max_concurrency: int | None = None,
        rate: str | None = None,
        http_method: str | None = None,
        endpoint: str | None = None,
        success: str | None = None,
        error: str | None = None,
        target_system: str | None = None,
    ) -> Callable[[Handler], Handler]:
        """Declare the handler of a step. The function itself doesn't change, so that a test can call it.

        `topic`: the topic of the step's elements in the diagram, by default ``<process key>.<name>``. A task of this
        topic in another process is left to others.

        `retries` and `retry_base_s` (in seconds) are a short form of :class:`ExponentialBackoff` with these arguments.
        `before`, `after` and `on_error`: see :class:`Hooks`.

        Raises:
            DefinitionError: the step is declared twice, or an option is out of range.
        """
        if outcome is not None and isinstance(self, WorkerDefinition):
            raise DefinitionError(f"step {name!r}: a response step belongs to a process, not to worker {self.key!r}")
        strategy = _retry_strategy(name, retries, retry_base_s, retry_strategy)
        if max_concurrency is not None and max_concurrency < 1:
            raise DefinitionError(f"step {name!r}: max_concurrency must be at least 1")
        if rate is not None and not RATE.match(rate):
            raise DefinitionError(f"step {name!r}: rate must be like 5/second (second, minute, hour or day)")

        def declare(handler: Handler) -> Handler:
            own_topic = topic or self.default_topic(name)
            for other in self.steps.values():
                if own_topic == other.topic or name == other.name:
                    both = self.default_topic(name) if topic is None else f"{name} (topic {topic})"
                    raise DefinitionError(f"step {both!r} is declared twice")
            signature = Signature.of(handler, has_schema=input_schema is not None)
            self.steps[own_topic] = StepDefinition(
                name=name,
                topic=own_topic,
                handler=handler,
                call=signature.call,
                order=order,
                input_schema=input_schema() if input_schema else signature.schema,
                output_schema=output_schema() if output_schema else None,
                outcome=outcome,
                retry_strategy=strategy,
                hooks=Hooks.of(before, after, on_error).within(self.hooks),
                time_limit_s=time_limit_s,
                invalid_input_code=invalid_input_code,
                error_codes=tuple(error_codes),
                max_concurrency=max_concurrency,
                rate=rate,
                http_method=http_method,
                endpoint=endpoint,
                success=success,
                error=error,
                target_system=target_system,
                originating_system=self.originating_system,
                process_name=self.process_name,
            )
            return handler

        return declare

    def topic(self, step: StepDefinition) -> Topic:
        """What to fetch for a step: all variables, or with an input schema only the variables that are needed."""
        keys = self.process_keys(step)
        if step.input_schema is None:
            return Topic(step.topic, process_keys=keys)
        needed = dict.fromkeys([*step.input_names, *self.identifiers, *ERROR_VARIABLES, CONTEXT_VARIABLE])
        return Topic(step.topic, tuple(needed), keys)


@dataclass(slots=True)
class ProcessDefinition(StepOwner):
    """One process. :func:`define_process` makes it, and its :meth:`step` decorator adds the steps."""

    bpmn_path: Path
    _: KW_ONLY
    start_schema: Schema | None = None
    example: dict[str, Any] = field(default_factory=dict)

    def content(self) -> bytes:
        """The BPMN file, read from the disk.

        Raises:
            DefinitionError: the file can't be read.
        """
        try:
            return self.bpmn_path.read_bytes()
        except OSError as error:
            raise DefinitionError(f"process {self.key!r}: {error}") from None

    def diagram(self) -> Diagram:
        """The process in its BPMN file.

        Raises:
            DefinitionError: the file is missing, isn't BPMN, or doesn't have this process.
        """
        content = self.content()
        try:
            return read_diagram(content, self.key)
        except DefinitionError as error:
            raise DefinitionError(f"process {self.key!r}: {self.bpmn_path.name}: {error}") from None


@dataclass(slots=True)
class WorkerDefinition(StepOwner):
    """Steps of topics that any process may use. :func:`define_worker` makes it; its :meth:`step` adds the steps.

    A step runs the tasks of its topic wherever they come from: from processes of this installation, from processes that
    others deployed, from instances that were started elsewhere. Its topic is its name unless it names another one.
    """

    def default_topic(self, name: str) -> str:
        """The topic of a step that names none: its name."""
        return name

    def process_keys(self, step: StepDefinition) -> tuple[str, ...] | None:
        """None: the tasks of every process are fetched."""
        return None


def define_process(
    key: str,
    *,
    bpmn: str | None = None,
    start_schema: type[Schema] | None = None,
    example: Mapping[str, Any] | None = None,
    process_name: str = "",
    originating_system: str = "rest-facade",
    identifiers: Iterable[str] = IDENTIFIERS,
    before: Iterable[Before] = (),
    after: Iterable[After] = (),
    on_error: Iterable[OnError] = (),
) -> ProcessDefinition:
    """Declare a process.

    Args:
        key: id of the executable process in the BPMN file.
        bpmn: name of the BPMN file, in the folder of the calling module; by default ``<key with underscores>.bpmn``.
        start_schema: validates the variables of a start.
        example: variables of an example start, for the documentation of the API.
        identifiers: fields that name a business object; they are stored with events and process row, and every step
            gets them.
        before, after, on_error: functions that run around the handler of every step; see :class:`Hooks`.
    """
    caller = Path(inspect.stack()[1].filename).parent
    return ProcessDefinition(
        key=key,
        bpmn_path=caller / (bpmn or f"{key.replace('-', '_')}.bpmn"),
        start_schema=start_schema() if start_schema else None,
        example=dict(example or {}),
        process_name=process_name or key,
        originating_system=originating_system,
        identifiers=tuple(identifiers),
        hooks=Hooks.of(before, after, on_error),
    )


def define_worker(
    key: str,
    *,
    originating_system: str = "rest-facade",
    identifiers: Iterable[str] = IDENTIFIERS,
    before: Iterable[Before] = (),
    after: Iterable[After] = (),
    on_error: Iterable[OnError] = (),
) -> WorkerDefinition:
    """Declare a worker: steps that belong to no process.

    Args:
        key: names the worker and its queue, ``steps.<key>``; no process may have the same key.
        identifiers: fields that name a business object; they are stored with events.
        before, after, on_error: functions that run around the handler of every step; see :class:`Hooks`.
    """
    return WorkerDefinition(
        key=key,
        process_name=key,
        originating_system=originating_system,
        identifiers=tuple(identifiers),
        hooks=Hooks.of(before, after, on_error),
    )


def _retry_strategy(
    step: str, retries: int | None, retry_base_s: float | None, strategy: RetryStrategy | None
) -> RetryStrategy:
    if strategy is not None:
        if retries is not None or retry_base_s is not None:
            raise DefinitionError(
                f"step {step!r}: give either retry_strategy, or retries and retry_base_s, but not both"
            )
        return strategy
    try:
        return ExponentialBackoff(
            retries=DEFAULT_RETRIES if retries is None else retries,
            base_s=DEFAULT_BASE_S if retry_base_s is None else retry_base_s,
        )
    except DefinitionError:
        raise DefinitionError(f"step {step!r}: retries and retry_base_s must not be negative") from None
