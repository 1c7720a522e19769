"""Fetches, on first use, what the engine doesn't send with a task: contents of files, and Java objects as JSON."""

from __future__ import annotations

from typing import Any

from camunda_bridge.client import Engine
from camunda_bridge.context import CONTEXT_VARIABLE
from camunda_bridge.engine.locked_task import LockedTask
from camunda_bridge.errors import NotFound, VariableError
from camunda_bridge.variables import Values, from_engine


def task_values(engine: Engine, task: LockedTask) -> Values:
    """The variables of a task as its handler gets them; without the execution context if that can't be read."""
    values = from_engine(task.variables, TaskContents(engine, task.id, task.process_instance_id))
    try:
        values.get(CONTEXT_VARIABLE)
    except VariableError:
        # Somebody overwrote the execution context, so the step is treated as one of an instance that was started
        # without the facade.
        del values[CONTEXT_VARIABLE]
    return values


class TaskContents:
    """Fetches the variables that one external task sees.

    Several scopes of an instance may hold a variable of the same name: a task, a sub-process, each instance of a
    multi-instance activity, the process. The task sees the variable of the innermost scope around it.

    Raises (each method):
        VariableError: the variable no longer exists, or the engine can't send it.
        EngineUnavailable: the engine doesn't answer.
    """

    def __init__(self, engine: Engine, task_id: str, instance_id: str) -> None:
        self._engine = engine
        self._task_id = task_id
        self._instance_id = instance_id

    def data(self, name: str) -> bytes:
        """The content of a File or Bytes variable."""
        try:
            return self._engine.variable_data(self._variable_id(name))
        except NotFound as error:
            raise VariableError(f"variable {name!r} no longer exists: {error}") from None

    def value(self, name: str) -> Any:
        """A Java object, as JSON that the engine makes of it."""
        try:
            return self._engine.variable_as_json(self._variable_id(name))
        except NotFound as error:
            raise VariableError(f"variable {name!r} no longer exists: {error}") from None

    def _variable_id(self, name: str) -> str:
        found = self._engine.variables_named(self._instance_id, name)
        if len(found) > 1:
            found = self._innermost(found)
        if not found:
            raise VariableError(f"variable {name!r} no longer exists")
        return str(found[0]["id"])

    def _innermost(self, variables: list[dict[str, Any]]) -> list[dict[str, Any]]:
        task = self._engine.external_task(self._task_id)
        if task is None:
            return []
        by_scope = {variable["activityInstanceId"]: variable for variable in variables}
        around = _path_to(self._engine.activity_tree(self._instance_id), task["activityInstanceId"])
        return [by_scope[scope] for scope in around if scope in by_scope]


def _path_to(node: dict[str, Any], wanted: str) -> list[str]:
    """Ids of `wanted` and the activity instances around it, from inside out; empty when `wanted` isn't below `node`."""
    if node["id"] == wanted:
        return [wanted]
    for child in node["childActivityInstances"]:
        if path := _path_to(child, wanted):
            return [*path, node["id"]]
    return []
