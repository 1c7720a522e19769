"""Reads from the engine's history how an instance ended whose outcome no worker wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from camunda_bridge.bpmn import Diagram
from camunda_bridge.client import Engine
from camunda_bridge.context import CONTEXT_VARIABLE
from camunda_bridge.executor import ERROR_VARIABLES
from camunda_bridge.variables import parse_date, to_document

#: most instances that are read: the root instance and those that it called
MAX_INSTANCES = 1_000


@dataclass(frozen=True, slots=True)
class UncaughtError:
    """An error that no event caught. The engine ended the activity that threw it, logged a warning and went on.

    `thrown_at`: when it was thrown, by the engine's clock.
    """

    thrown_at: datetime
    instance_id: str
    activity_id: str
    code: str


def end_of(engine: Engine, diagram_of: Callable[[str], Diagram], instance_id: str) -> tuple[bool, dict[str, Any]]:
    """How a completed instance ended: True and its last variables as clients see them, or False and its error.

    The instance ended in an error if it, or an instance that it called, threw an error that no event caught. If there
    are several, the first one counts.

    Args:
        diagram_of: gives the diagram of a definition id.
        instance_id: id of the root instance.
    """
    uncaught = min(_uncaught_errors(engine, diagram_of, instance_id), key=lambda error: error.thrown_at, default=None)
    values = _variables(engine, instance_id if uncaught is None else uncaught.instance_id)
    if uncaught is None:
        return True, values
    error = {name: values.get(variable) for name, variable in ERROR_VARIABLES.items()}
    return False, error | {"code": uncaught.code or uncaught.activity_id}


def _variables(engine: Engine, instance_id: str) -> dict[str, Any]:
    values, _ = to_document(engine.historic_variables(instance_id))
    values.pop(CONTEXT_VARIABLE, None)
    return values


def _uncaught_errors(engine: Engine, diagram_of: Callable[[str], Diagram], root_id: str) -> Iterator[UncaughtError]:
    """The errors that no event caught, of an instance and of those that it called.

    A caught error cancels the activity that threw it; after an uncaught error the activity ends as usual. History
    therefore shows which of the two happened: see tests/contract/test_error_ends.py.
    """
    instances = [root_id]
    for instance_id in instances:
        activities = engine.activities(instance_id)
        instances += [item["calledProcessInstanceId"] for item in activities if item.get("calledProcessInstanceId")]
        del instances[MAX_INSTANCES:]
        ended = [item for item in activities if item["endTime"] is not None and not item["canceled"]]
        for end in (item for item in ended if item["activityType"] == "errorEndEvent"):
            code = diagram_of(end["processDefinitionId"]).error_ends.get(end["activityId"], "")
            yield UncaughtError(parse_date(end["endTime"]), instance_id, end["activityId"], code)
        yield from _thrown_by_tasks(engine, diagram_of, instance_id, ended)


def _thrown_by_tasks(
    engine: Engine, diagram_of: Callable[[str], Diagram], instance_id: str, ended: list[dict[str, Any]]
) -> Iterator[UncaughtError]:
    """Errors of external tasks that a `camunda:errorEventDefinition` ended: neither cancelled nor completed."""
    suspects = {
        item["id"]: item
        for item in ended
        if item["activityId"] in diagram_of(item["processDefinitionId"]).error_definitions
    }
    if not suspects:
        return
    log = engine.instance_task_log(instance_id)
    completed = {entry["activityInstanceId"] for entry in log if entry["successLog"]}
    removed = {entry["activityInstanceId"] for entry in log if entry["deletionLog"]}
    for activity_instance_id in (removed - completed) & set(suspects):
        item = suspects[activity_instance_id]
        diagram = diagram_of(item["processDefinitionId"])
        codes = diagram.error_definitions[item["activityId"]]
        # History doesn't show which of several expressions was true. Take the first code that no event catches here.
        code = next((code for code in codes if not diagram.catches(item["activityId"], code)), codes[0])
        yield UncaughtError(parse_date(item["endTime"]), instance_id, item["activityId"], code)
