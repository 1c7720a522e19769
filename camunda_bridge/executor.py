"""Runs one attempt of a step: checks the input, calls the handler, checks the output. Needs no engine or database."""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from typing import Any

from marshmallow import EXCLUDE, ValidationError

from camunda_bridge.author_code import place_of, place_of_handler
from camunda_bridge.context import StepContext, recording_calls
from camunda_bridge.errors import BusinessRuleError, VariableError
from camunda_bridge.field_errors import sentence
from camunda_bridge.steps import StepDefinition
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

#: field of a business error -> process variable that holds it; boundary and end events set the same variables
ERROR_VARIABLES = {"code": "errorCode", "message": "errorMessage", "type": "errorType", "details": "errorDetails"}

#: longest stored stack trace, in characters; the end is stored, because it shows the cause
MAX_TRACE = 16_000


class OutputFieldDropped(UserWarning):
    """A handler returned a field that its output schema does not have; the field is not stored."""


#: what has been warned of, so that a worker logs it once; see :func:`warnings.warn_explicit`
_warned: dict[Any, Any] = {}


@dataclass(frozen=True, slots=True)
class Completed:
    """The outcome of a handler that returned: `variables` for the engine, and the same as a JSON `document`.

    `exact`: True when the same variables can be made from the document. `dropped`: fields that the handler returned and
    that the output schema does not have.
    """

    variables: dict[str, Typed]
    document: dict[str, Any]
    exact: bool = True
    dropped: tuple[str, ...] = ()

    @classmethod
    def of(cls, output: Mapping[str, Any]) -> Completed:
        """From the fields that a handler returned.

        Raises:
            VariableError: the engine can't store a field, or its name is reserved.
        """
        variables = outgoing(output)
        return cls(variables, *to_document(variables))


@dataclass(frozen=True, slots=True)
class BusinessError:
    """The outcome of a handler that raised a business error: the BPMN error `code`."""

    code: str
    message: str
    kind: str
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, Any]:
        """The error as the event log stores it."""
        return {"code": self.code, "message": self.message, "details": self.details}

    @property
    def variables(self) -> dict[str, Typed]:
        """The variables that the error sets in the process, for the engine."""
        return to_engine({ERROR_VARIABLES[name]: value for name, value in {**self.document, "type": self.kind}.items()})

    def uncaught(self) -> Failed:
        """The failure to report if no event catches the error, because the engine would end the instance silently."""
        errors = self.details.get("errors") if self.kind == ValidationError.__name__ else None
        text = f"no event in the BPMN catches the error {self.code!r}: {self.message}"
        return Failed(text, "", final=True, errors=errors)


@dataclass(frozen=True, slots=True)
class Failed:
    """The outcome of a failed attempt.

    Attributes:
        message: one line about the cause.
        details: the stack trace, or empty.
        final: another attempt would fail the same way, so there is no retry.
        where: `file:line` in the author's code; empty if it is unknown.
        errors: the messages by field, if a schema refused something.
    """

    message: str
    details: str
    final: bool = False
    where: str = ""
    errors: Any = None

    @property
    def document(self) -> dict[str, Any]:
        """The failure as the event log stores it."""
        more = {"where": self.where or None, "errors": self.errors}
        return {"message": self.message, **{name: value for name, value in more.items() if value is not None}}


Outcome = Completed | BusinessError | Failed


@dataclass(frozen=True, slots=True)
class Execution:
    """An outcome, its duration in whole milliseconds, and the HTTP status of the last partner call."""

    outcome: Outcome
    duration_ms: int
    http_status_code: int | None = None


def execute(step: StepDefinition, values: Mapping[str, Any], context: StepContext) -> Execution:
    """Run one attempt. Every exception that the handler raises becomes an outcome, including MemoryError.

    `values`: the variables of the task as Python values.
    """
    begun = time.monotonic()
    with recording_calls(context.traceparent) as calls:
        try:
            outcome = _attempt(step, values, context)
        except Exception as error:
            outcome = _failed(step, _headline(error), error, final=step.retry_strategy.is_final(error))
    return Execution(outcome, round((time.monotonic() - begun) * 1000), calls.http_status_code)


def _attempt(step: StepDefinition, values: Mapping[str, Any], context: StepContext) -> Outcome:
    try:
        schema = step.input_schema
        given = values if schema is None else schema.load(_checkable(step, values), unknown=EXCLUDE)
    except ValidationError as error:
        return BusinessError(
            step.invalid_input_code,
            f"input of {step.topic}: {sentence(error.messages)}",
            "ValidationError",
            {"errors": json_form(error.messages)},
        )
    try:
        returned = step.hooks.run(lambda given: step.call(given, context), given, context)
    except BusinessRuleError as error:
        return _business_error(step, error)
    except VariableError as error:
        return _failed(step, f"input of {step.topic}: {error}", error)
    return _checked(step, returned)


def _checkable(step: StepDefinition, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A copy of the input for the schema to check, in which every variable of the schema is read already.

    Raises:
        ValidationError: names the variables of the schema that can't be read.
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
        # plain JSON, because the event and the error of the process store it
        given = {"code": error.code, "message": str(error.message), "details": error.details}
        plain, _ = to_document(to_engine(given))
    except VariableError as fault:
        why = why or str(fault)
    if why:
        return _failed(step, _storable(f"business error {error.code!r} of {step.topic}: {why}"), error)
    return BusinessError(error.code, plain["message"], type(error).__name__, plain["details"])


def _checked(step: StepDefinition, returned: Any) -> Outcome:
    output = asdict(returned) if is_dataclass(returned) and not isinstance(returned, type) else returned
    if output is None:
        output = {}
    if not isinstance(output, Mapping):
        why = f"{step.topic} returned {type(returned).__name__}; it must return a dict, a dataclass or None"
        return _refused(step, why)
    dropped: tuple[str, ...] = ()
    if step.output_schema is not None:
        known = {(item.attribute or name).partition(".")[0] for name, item in step.output_schema.fields.items()}
        dropped = tuple(str(name) for name in output if name not in known)
        try:
            output = step.output_schema.dump(returned)
        except Exception as error:
            # marshmallow doesn't validate before it dumps, so that a word in a number field raises here
            return _failed(step, f"output of {step.topic} fails its schema: {_headline(error)}", error)
        if faults := step.output_schema.validate(output):
            return _refused(step, f"output of {step.topic} fails its schema: {sentence(faults)}", json_form(faults))
    try:
        completed = Completed.of(output)
    except VariableError as error:
        return _refused(step, f"output of {step.topic}: {error}")
    if dropped and getattr(step.output_schema, "unknown", None) != EXCLUDE:
        _warn_of_dropped(step, dropped)
        return replace(completed, dropped=dropped)
    return completed


def _warn_of_dropped(step: StepDefinition, names: tuple[str, ...]) -> None:
    """Warn at the author's handler: pytest lists the warning, a worker logs it once."""
    path, _, line = place_of_handler(step.handler).rpartition(":")
    text = (
        f"output of {step.topic}: its schema does not have {', '.join(names)}, so it is not stored; add it to the "
        "schema, do not return it, or set `unknown = EXCLUDE` in the schema's Meta"
    )
    warnings.warn_explicit(text, OutputFieldDropped, path or step.topic, int(line or 0), registry=_warned)


def _failed(step: StepDefinition, message: str, error: Exception, *, final: bool = True) -> Failed:
    errors = json_form(error.messages) if isinstance(error, ValidationError) else None
    return Failed(message, _trace(error), final=final, where=place_of(error, step.handler), errors=errors)


def _refused(step: StepDefinition, message: str, errors: Any = None) -> Failed:
    """A failure that no exception of the handler caused."""
    return Failed(message, "", final=True, where=place_of_handler(step.handler), errors=errors)


def _headline(error: BaseException) -> str:
    said = sentence(error.messages) if isinstance(error, ValidationError) else str(error)
    text = _storable(said).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _trace(error: BaseException) -> str:
    return _storable("".join(traceback.format_exception(error)))[-MAX_TRACE:]


def _storable(text: str) -> str:
    # The text of an exception may hold lone surrogates, which neither the database nor JSON accepts.
    return text.encode("utf-8", "backslashreplace").decode()
