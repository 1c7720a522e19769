"""The registered processes and the checks of their variables, for the facade, which does not import the bridge."""

from __future__ import annotations

from typing import Any

from marshmallow import RAISE, ValidationError

from camunda_bridge.context import CONTEXT_VARIABLE
from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.errors import VariableError
from camunda_bridge.variables import to_engine
from tasks.processes import registry

__all__ = [
    "MAX_NAME",
    "RESERVED_VARIABLE",
    "ProcessDefinition",
    "all_processes",
    "check_variables",
    "find_process",
    "package_faults",
    "unhandled_topics",
]

#: longest name of a variable, in characters; the engine's column holds 255
MAX_NAME = 200
#: the variable that no client may set
RESERVED_VARIABLE = CONTEXT_VARIABLE


def find_process(key: str) -> ProcessDefinition | None:
    """The process with this key; None if there is none."""
    return registry.processes.get(key)


def all_processes() -> list[ProcessDefinition]:
    """All registered processes, sorted by key."""
    return sorted(registry, key=lambda process: process.key)


def unhandled_topics() -> dict[str, list[str]]:
    """Process key -> topics of its BPMN file without a handler; a process without a valid file is left out."""
    return registry.unhandled_topics()


def package_faults() -> list[str]:
    """One line for each package that could not be loaded, and for each BPMN file that is missing or invalid.

    The lines name modules and files, without folders.
    """
    unreadable = [fault for process in registry if (fault := registry.fault_of(process))]
    return [*(f"{fault.module}: {fault.reason}" for fault in registry.faults), *unreadable]


def check_variables(process: ProcessDefinition, variables: dict[str, Any]) -> None:
    """Check the variables of a start: by the process's own schema, and whether the engine can store them.

    Raises:
        ValidationError: has a message for each invalid variable.
    """
    check_carried(variables)
    if process.start_schema is not None:
        process.start_schema.load(variables, unknown=RAISE)


def check_carried(variables: dict[str, Any]) -> None:
    """Check that the engine can store the variables, and that none has the name of the service's own.

    Raises:
        ValidationError: has a message for an invalid variable.
    """
    if CONTEXT_VARIABLE in variables:
        raise ValidationError({CONTEXT_VARIABLE: ["Reserved: the service sets this variable itself."]})
    for name, value in variables.items():
        if not 0 < len(name) <= MAX_NAME:
            raise ValidationError({name: [f"A name must have 1 to {MAX_NAME} characters."]})
        try:
            to_engine({name: value})
        except VariableError as error:
            raise ValidationError({name: [str(error)]}) from None
