"""What the facade may ask about processes, without knowing the engine."""

from __future__ import annotations

from typing import Any

from marshmallow import RAISE, ValidationError

from camunda_bridge.context import CONTEXT_VARIABLE
from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.errors import VariableError
from camunda_bridge.variables import to_engine
from tasks.processes import registry

__all__ = ["MAX_NAME", "RESERVED_VARIABLE", "ProcessDefinition", "all_processes", "check_variables", "find_process"]

#: longest name of a variable; the engine's column holds 255 characters
MAX_NAME = 200
#: the variable that no client may set
RESERVED_VARIABLE = CONTEXT_VARIABLE


def find_process(key: str) -> ProcessDefinition | None:
    """The process with this key."""
    return registry.processes.get(key)


def all_processes() -> list[ProcessDefinition]:
    """Every registered process, by key."""
    return sorted(registry, key=lambda process: process.key)


def check_variables(process: ProcessDefinition, variables: dict[str, Any]) -> None:
    """Check the variables of a start against the process's own schema and against what the engine can carry.

    Raises:
        ValidationError: names each variable at fault.
    """
    check_carried(variables)
    if process.start_schema is not None:
        process.start_schema.load(variables, unknown=RAISE)


def check_carried(variables: dict[str, Any]) -> None:
    """Check variables against what the engine can carry, and that none is the service's own.

    Raises:
        ValidationError: names a variable at fault.
    """
    if CONTEXT_VARIABLE in variables:
        raise ValidationError({CONTEXT_VARIABLE: ["Reserved: set by the service itself."]})
    for name, value in variables.items():
        if not 0 < len(name) <= MAX_NAME:
            raise ValidationError({name: [f"A name must have 1 to {MAX_NAME} characters."]})
        try:
            to_engine({name: value})
        except VariableError as error:
            raise ValidationError({name: [str(error)]}) from None
