"""Finds out whether an event catches an error code: in the process that throws it or in those that called it."""

from __future__ import annotations

from collections.abc import Callable

from camunda_bridge.bpmn import Diagram
from camunda_bridge.client import Engine
from camunda_bridge.engine.locked_task import LockedTask

#: levels of call activities that are searched; deeper nesting is treated as a loop
MAX_DEPTH = 20


def is_caught(engine: Engine, diagram_of: Callable[[str], Diagram], task: LockedTask, code: str) -> bool:
    """True when an event catches `code` thrown by this task. If none does, the engine ends the instance silently.

    Args:
        diagram_of: gives the diagram of a definition id.

    Raises:
        EngineUnavailable: the engine doesn't answer.
    """
    if diagram_of(task.process_definition_id).catches(task.activity_id, code):
        return True
    instance_id, definition_id = task.process_instance_id, task.process_definition_id
    for _ in range(MAX_DEPTH):
        caller = engine.calling_instance(instance_id)
        if caller is None:
            return False
        calling = diagram_of(caller["definitionId"])
        activity_id = engine.calling_activity(caller["id"], instance_id)
        if activity_id is not None:
            if calling.catches(activity_id, code):
                return True
        # Without history the call activity is unknown. The code is caught only if every possible one catches it.
        elif (calls := calling.calling(diagram_of(definition_id).key)) and all(
            calling.catches(activity, code) for activity in calls
        ):
            return True
        instance_id, definition_id = caller["id"], caller["definitionId"]
    return False
