"""How a process is declared: its BPMN file, its schemas, and a plain function for each step.

    process = define_process("onboard-user", start_schema=OnboardUser)

    @process.step("validate-user-information", order=1, input_schema=UserInformation)
    def validate_user_information(user: User) -> dict[str, str]:
        return {"userId": user.user_id}

The topic of a step is ``<process key>.<step name>``. A handler takes the step's input and, if it has a second
parameter, a :class:`StepContext`; what it returns becomes process variables.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from marshmallow import Schema

from camunda_bridge.bpmn import Bpmn, parse
from camunda_bridge.context import CONTEXT_VARIABLE
from camunda_bridge.engine.locked_task import Topic
from camunda_bridge.errors import DefinitionError
from camunda_bridge.hooks import NO_HOOKS, After, Before, Hooks, OnError
from camunda_bridge.retry import DEFAULT_BASE_S, DEFAULT_RETRIES, DEFAULT_RETRY, ExponentialBackoff, RetryStrategy
from settings.reading import RATE

Handler = Callable[..., Any]
Outcome = Literal["ok", "error"]

#: fields that name a business object, kept with every event and row
IDENTIFIERS = ("customerId", "userId", "orderId", "accountId")

#: variables that a boundary event or a business error leaves for the steps behind it
ERROR_VARIABLES = ("errorCode", "errorMessage", "errorType", "errorDetails")


@dataclass(frozen=True, slots=True)
class StepDefinition:
    """One step: a handler and everything that is known about it.

    `outcome` marks a response step: the last step of its process, whose output is the result (ok) or the error.
    `retry_strategy`: how many attempts it gets and the pauses between them.
    `hooks`: what runs around the handler: those of the process and its own.
    `error_codes`: codes of business errors that the handler raises and whose names its source does not show.
    `max_concurrency`: how many of it may run at once, on all workers together. `rate`: how many may begin in a time,
    such as ``5/second``. Ops may change both at run time.
    """

    name: str
    topic: str
    handler: Handler
    order: int = 0
    input_schema: Schema | None = None
    output_schema: Schema | None = None
    takes_context: bool = False
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
        """The variables that its input schema names."""
        if self.input_schema is None:
            return []
        return [item.data_key or name for name, item in self.input_schema.fields.items()]

    @property
    def retries(self) -> int:
        """Attempts after the first."""
        return self.retry_strategy.retries


@dataclass(slots=True)
class ProcessDefinition:
    """One process: made by :func:`define_process`, filled by its :meth:`step` decorator."""

    key: str
    bpmn_path: Path
    start_schema: Schema | None = None
    example: dict[str, Any] = field(default_factory=dict)
    process_name: str = ""
    originating_system: str = ""
    identifiers: tuple[str, ...] = IDENTIFIERS
    hooks: Hooks = NO_HOOKS
    steps: dict[str, StepDefinition] = field(default_factory=dict)

    @property
    def queue(self) -> str:
        """The Celery queue of this process's steps."""
        return f"steps.{self.key}"

    def bpmn(self) -> Bpmn:
        """The BPMN file as it is on disk.

        Raises:
            DefinitionError: it is missing, no BPMN, or of another process.
        """
        try:
            bpmn = parse(self.bpmn_path.read_bytes())
        except OSError as error:
            raise DefinitionError(f"process {self.key!r}: {error}") from None
        except DefinitionError as error:
            raise DefinitionError(f"process {self.key!r}: {self.bpmn_path.name}: {error}") from None
        if bpmn.key != self.key:
            raise DefinitionError(f"process {self.key!r}: {self.bpmn_path.name} holds process {bpmn.key!r}")
        return bpmn

    def step(
        self,
        name: str,
        *,
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
        """Declare the handler of a step; the function itself stays as it is, callable in a test.

        `retries` and `retry_base_s` (seconds) stand for :class:`ExponentialBackoff` with these. `before`, `after` and
        `on_error`: see :class:`Hooks`.

        Raises:
            DefinitionError: the step is declared twice, or a number is out of range.
        """
        strategy = _retry_strategy(name, retries, retry_base_s, retry_strategy)
        if max_concurrency is not None and max_concurrency < 1:
            raise DefinitionError(f"step {name!r}: max_concurrency must be at least 1")
        if rate is not None and not RATE.match(rate):
            raise DefinitionError(f"step {name!r}: rate must be like 5/second (second, minute, hour or day)")

        def declare(handler: Handler) -> Handler:
            topic = f"{self.key}.{name}"
            if topic in self.steps:
                raise DefinitionError(f"step {topic!r} is declared twice")
            self.steps[topic] = StepDefinition(
                name=name,
                topic=topic,
                handler=handler,
                order=order,
                input_schema=input_schema() if input_schema else None,
                output_schema=output_schema() if output_schema else None,
                takes_context=len(inspect.signature(handler).parameters) > 1,
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
        """What to fetch for a step: only the variables that its schema names, where it has one."""
        if step.input_schema is None:
            return Topic(step.topic)
        return Topic(
            step.topic, tuple(dict.fromkeys([*step.input_names, *self.identifiers, *ERROR_VARIABLES, CONTEXT_VARIABLE]))
        )


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
        key: the id of the executable process in the BPMN file.
        bpmn: the BPMN file, beside the module that calls; ``<key with underscores>.bpmn`` by default.
        start_schema: what the variables of a start must be.
        example: variables of an example start, for the API's documentation.
        identifiers: output fields that name a business object; kept with events and row, and passed on.
        before, after, on_error: what runs around the handler of every step; see :class:`Hooks`.
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


def _retry_strategy(
    step: str, retries: int | None, retry_base_s: float | None, strategy: RetryStrategy | None
) -> RetryStrategy:
    if strategy is not None:
        if retries is not None or retry_base_s is not None:
            raise DefinitionError(f"step {step!r}: retry_strategy stands in place of retries and retry_base_s")
        return strategy
    try:
        return ExponentialBackoff(
            retries=DEFAULT_RETRIES if retries is None else retries,
            base_s=DEFAULT_BASE_S if retry_base_s is None else retry_base_s,
        )
    except DefinitionError:
        raise DefinitionError(f"step {step!r}: retries and retry_base_s must not be negative") from None
