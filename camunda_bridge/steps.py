"""The steps that a process or a worker declares: handlers, topics and options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar, Literal, get_args

from marshmallow import Schema

from camunda_bridge.context import CONTEXT_VARIABLE, StepContext
from camunda_bridge.engine.locked_task import Topic
from camunda_bridge.errors import DefinitionError
from camunda_bridge.hooks import NO_HOOKS, After, Before, Hooks, OnError
from camunda_bridge.retry import DEFAULT_BASE_S, DEFAULT_RETRIES, DEFAULT_RETRY, ExponentialBackoff, RetryStrategy
from camunda_bridge.signature import Call, Signature
from settings.reading import RATE

Handler = Callable[..., Any]
Outcome = Literal["ok", "error"]
#: where the output of a step goes: to the variables of the process, or to those of the step's own element
VariableScope = Literal["process", "local"]

#: identifiers: fields that name a business object; they are stored with every event and process row, to find the
#: process by
IDENTIFIERS = ("customerId", "userId", "orderId", "accountId")

#: variables that a business error, or the boundary event that catches it, sets for the steps that follow
ERROR_VARIABLES = ("errorCode", "errorMessage", "errorType", "errorDetails")


def _no_call(_given: Any, _context: StepContext) -> Any:
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class StepDefinition:
    """One step: its handler and its options.

    Attributes:
        scope: where the output goes. Only the output mappings of the step's element see a ``local`` output.
        outcome: marks a response step: the last step of its process. Its output is the result (ok) or the error.
        retry_strategy: how many retries the step has, and the pauses between them.
        hooks: the functions around the handler: those of the process and those of the step.
        isolated: runs the handler in a process of its own: one that needs a processor for long, or may crash.
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
    scope: VariableScope = "process"
    outcome: Outcome | None = None
    retry_strategy: RetryStrategy = DEFAULT_RETRY
    hooks: Hooks = NO_HOOKS
    time_limit_s: int | None = None
    isolated: bool = False
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

    #: True if its steps may be response steps
    has_result: ClassVar[bool] = True

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
        scope: VariableScope = "process",
        outcome: Outcome | None = None,
        retries: int | None = None,
        retry_base_s: float | None = None,
        retry_strategy: RetryStrategy | None = None,
        before: Iterable[Before] = (),
        after: Iterable[After] = (),
        on_error: Iterable[OnError] = (),
        time_limit_s: int | None = None,
        isolated: bool = False,
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
        if scope not in get_args(VariableScope):
            raise DefinitionError(f"step {name!r}: scope must be 'process' or 'local', not {scope!r}")
        if outcome is not None and not self.has_result:
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
                scope=scope,
                outcome=outcome,
                retry_strategy=strategy,
                hooks=Hooks.of(before, after, on_error).within(self.hooks),
                time_limit_s=time_limit_s,
                isolated=isolated,
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

    def identifiers_in(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The business objects that `document` names."""
        return {name: document[name] for name in self.identifiers if document.get(name)}

    def topic(self, step: StepDefinition) -> Topic:
        """What to fetch for a step: all variables, or with an input schema only the variables that are needed."""
        keys = self.process_keys(step)
        if step.input_schema is None:
            return Topic(step.topic, process_keys=keys)
        needed = dict.fromkeys([*step.input_names, *self.identifiers, *ERROR_VARIABLES, CONTEXT_VARIABLE])
        return Topic(step.topic, tuple(needed), keys)


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
