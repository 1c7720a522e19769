"""Read and change the variables of a running process, in the scope of its instance, for the facade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError

from camunda_bridge.context import CONTEXT_VARIABLE
from camunda_bridge.errors import BridgeError, NotFound, VariableError
from camunda_bridge.retyping import as_before
from camunda_bridge.variables import Typed, from_engine, json_form
from service.errors import ProcessNotStarted, as_answer
from service.retry import write_down
from store.process_rows import ProcessRow
from tasks.processes import registry
from tasks.runtime import runtime
from tasks.settling.instances import with_instance
from tasks.settling.settle import ops_event, record_ops
from telemetry.logs.redaction import shown

#: types whose content a list leaves out
_LEFT_OUT = frozenset({"Bytes", "File"})


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable: the engine's type, and its value as JSON; None for a type whose content is left out."""

    name: str
    type: str
    value: Any


def variables_of(row: ProcessRow) -> list[Variable] | None:
    """The variables of the instance of a process, by name, without those of inner scopes; None if it has ended.

    Raises:
        OperationUnavailable, OperationRefused: the engine does not answer.
        ProcessNotStarted: the process has no instance yet.
    """
    _, found = _read(row)
    return None if found is None else [_variable(name, typed) for name, typed in sorted(found.items())]


def change(
    row: ProcessRow, changes: Mapping[str, Any], *, actor: str, dry_run: bool
) -> list[tuple[Variable | None, Variable]] | None:
    """Set variables in the scope of the instance. A variable keeps its type.

    Args:
        row: the process.
        changes: JSON values by name.
        actor: the name of the caller, for the event, which has the values, redacted.
        dry_run: only check and compare.

    Returns:
        Each variable before (None for a new one) and after, by name; None if the process has ended.

    Raises:
        ValidationError: a value is not valid for the start schema of the process, or not of the variable's type.
        OperationUnavailable: the engine does not answer; it may have changed the variables. It is safe to call again.
        OperationRefused: the engine refuses it; nothing was changed.
        ProcessNotStarted: the process has no instance yet.
    """
    row, before = _read(row)
    if before is None or row.process_instance_id is None:
        return None
    _check_by_schema(row.process_key, changes)
    after = {name: _typed(name, value, before.get(name)) for name, value in sorted(changes.items())}
    if not dry_run:
        try:
            runtime().engine.set_variables(row.process_instance_id, after)
        except NotFound:
            return None
        except BridgeError as error:
            raise as_answer(error, "the variables may have been changed; call again") from error
        event = ops_event(
            row,
            actor=actor,
            step_name="variables",
            result=f"{len(after)} variables were changed",
            metadata={"variables": shown(dict(changes))},
        )
        write_down(lambda: record_ops(event), f"change of the variables of {row.correlation_id}")
    return [
        (_variable(name, before[name]) if name in before else None, _variable(name, typed))
        for name, typed in after.items()
    ]


def _read(row: ProcessRow) -> tuple[ProcessRow, dict[str, Typed] | None]:
    try:
        row = with_instance(row)
        if row.process_instance_id is None:
            raise ProcessNotStarted
        found = runtime().engine.running_variables(row.process_instance_id)
    except NotFound:
        return row, None
    except BridgeError as error:
        raise as_answer(error, "nothing was changed") from error
    return row, {name: typed for name, typed in found.items() if name != CONTEXT_VARIABLE}


def _variable(name: str, typed: Typed) -> Variable:
    if typed["type"] in _LEFT_OUT:
        return Variable(name, typed["type"], None)
    try:
        return Variable(name, typed["type"], json_form(from_engine({name: typed})[name]))
    except VariableError:
        # A Java object, for example.
        return Variable(name, typed["type"], None)


def _typed(name: str, value: Any, before: Typed | None) -> Typed:
    try:
        return as_before(name, value, before)
    except VariableError as error:
        raise ValidationError({name: [str(error)]}) from None


def _check_by_schema(process_key: str, changes: Mapping[str, Any]) -> None:
    """Check the variables that the start schema of the process names."""
    process = registry.processes.get(process_key)
    schema = None if process is None else process.start_schema
    if schema is None:
        return
    names = {field.data_key or name for name, field in schema.fields.items()}
    if errors := schema.validate({name: value for name, value in changes.items() if name in names}, partial=True):
        raise ValidationError(errors)
