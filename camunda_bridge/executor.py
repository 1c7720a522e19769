"""One attempt of one step: check the input, call the handler, check the output. No queue, no engine, no database."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any

from marshmallow import EXCLUDE, ValidationError

from camunda_bridge.context import StepContext, recording_calls
from camunda_bridge.definition import StepDefinition
from camunda_bridge.errors import BusinessRuleError, VariableError
from camunda_bridge.variables import (
    MAX_STRING,
    Typed,
    Values,
    json_form,
    outgoing,
    to_document,
    to_engine,
    utf16_length,
)

#: a business error's fields -> the variables that it leaves in the process, which boundary and end events leave too
ERROR_VARIABLES = {"code": "errorCode", "message": "errorMessage", "type": "errorType", "details": "errorDetails"}

#: longest stack trace kept, in characters; its end says most
MAX_TRACE = 16_000


@dataclass(frozen=True, slots=True)
class Completed:
    """The handler returned: `variables` for the engine, and the same as a JSON document.

    `exact`: the document alone gives the same variables back.
    """

    variables: dict[str, Typed]
    document: dict[str, Any]
    exact: bool = True

    @classmethod
    def of(cls, output: Mapping[str, Any]) -> Completed:
        """From the fields that a handler returned.

        Raises:
            VariableError: a field cannot be carried by the engine, or has a name that is not the handler's to give.
        """
        variables = outgoing(output)
        return cls(variables, *to_document(variables))


@dataclass(frozen=True, slots=True)
class BusinessError:
    """The attempt ends in the BPMN error `code`."""

    code: str
    message: str
    kind: str
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, Any]:
        """The error as an event keeps it."""
        return {"code": self.code, "message": self.message, "details": self.details}

    @property
    def variables(self) -> dict[str, Typed]:
        """What it leaves in the process, for the engine."""
        return to_engine({ERROR_VARIABLES[name]: value for name, value in {**self.document, "type": self.kind}.items()})

    def uncaught(self) -> Failed:
        """What becomes of it where no event catches it: the engine would end the instance silently."""
        return Failed(f"no event in the BPMN catches the error {self.code!r}: {self.message}", "", final=True)


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed. `final`: another attempt would fail alike, so none is made."""

    message: str
    details: str
    final: bool = False


Outcome = Completed | BusinessError | Failed


@dataclass(frozen=True, slots=True)
class Execution:
    """An outcome and what is known beside it; `duration_ms` in whole milliseconds."""

    outcome: Outcome
    duration_ms: int
    http_status_code: int | None = None


def execute(step: StepDefinition, values: Mapping[str, Any], context: StepContext) -> Execution:
    """Run one attempt; whatever the handler raises becomes an outcome, a MemoryError too.

    `values` are the task's variables as Python values.
    """
    begun = time.monotonic()
    with recording_calls(context.traceparent) as calls:
        try:
            outcome = _attempt(step, values, context)
        except Exception as error:
            outcome = Failed(_headline(error), _trace(error), final=step.retry_strategy.is_final(error))
    return Execution(outcome, round((time.monotonic() - begun) * 1000), calls.http_status_code)


def _attempt(step: StepDefinition, values: Mapping[str, Any], context: StepContext) -> Outcome:
    try:
        schema = step.input_schema
        given = values if schema is None else schema.load(_checkable(step, values), unknown=EXCLUDE)
    except ValidationError as error:
        return BusinessError(
            step.invalid_input_code,
            f"input of {step.topic}: {_text(error.messages)}",
            "ValidationError",
            {"errors": json_form(error.messages)},
        )
    try:
        handler = (lambda given: step.handler(given, context)) if step.takes_context else step.handler
        returned = step.hooks.run(handler, given, context)
    except BusinessRuleError as error:
        return _business_error(step, error)
    except VariableError as error:
        return Failed(f"input of {step.topic}: {error}", _trace(error), final=True)
    return _checked(step, returned)


def _checkable(step: StepDefinition, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the input schema of a step is to check: a copy, in which all that it names is read.

    Raises:
        ValidationError: names what it names and what cannot be read.
    """
    errors = {}
    for name in step.input_names:
        try:
            values.get(name)
        except VariableError as error:
            errors[name] = [str(error)]
    if errors:
        raise ValidationError(errors)
    return values.copy() if isinstance(values, Values) else dict(values)


def _business_error(step: StepDefinition, error: BusinessRuleError) -> Outcome:
    why = ""
    if not isinstance(error.code, str) or not error.code or utf16_length(error.code) > MAX_STRING:
        why = f"its code must be text of 1 to {MAX_STRING} characters"
    try:
        # plain JSON, as the event and the process's error keep it
        given = {"code": error.code, "message": str(error.message), "details": error.details}
        plain, _ = to_document(to_engine(given))
    except VariableError as fault:
        why = why or str(fault)
    if why:
        return Failed(_storable(f"business error {error.code!r} of {step.topic}: {why}"), _trace(error), final=True)
    return BusinessError(error.code, plain["message"], type(error).__name__, plain["details"])


def _checked(step: StepDefinition, returned: Any) -> Outcome:
    output = asdict(returned) if is_dataclass(returned) and not isinstance(returned, type) else returned
    if output is None:
        output = {}
    if not isinstance(output, Mapping):
        return Failed(f"{step.topic} returned a {type(returned).__name__}, not an object with fields", "", final=True)
    if step.output_schema is not None:
        try:
            output = step.output_schema.dump(returned)
        except Exception as error:
            # a number field given a word, for example: marshmallow validates what it loads, not what it dumps
            return Failed(f"output of {step.topic} fails its schema: {_headline(error)}", _trace(error), final=True)
        if faults := step.output_schema.validate(output):
            return Failed(f"output of {step.topic} fails its schema: {_text(faults)}", "", final=True)
    try:
        return Completed.of(output)
    except VariableError as error:
        return Failed(f"output of {step.topic}: {error}", "", final=True)


def _text(messages: Any) -> str:
    """A schema's messages for people: JSON, which every reader of the API knows."""
    return json.dumps(json_form(messages), ensure_ascii=False)


def _headline(error: BaseException) -> str:
    text = _storable(str(error)).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _trace(error: BaseException) -> str:
    return _storable("".join(traceback.format_exception(error)))[-MAX_TRACE:]


def _storable(text: str) -> str:
    # Neither a database nor a JSON takes lone surrogates, and an error's text may hold anything.
    return text.encode("utf-8", "backslashreplace").decode()
