"""Is an error code caught, in the process that throws it or in the calls that are under way?"""

from __future__ import annotations

from collections.abc import Callable

from camunda_bridge.bpmn import Bpmn
from camunda_bridge.client import Engine
from camunda_bridge.engine.locked_task import LockedTask

#: call activities nested deeper than this are taken for a loop
MAX_DEPTH = 20


def is_caught(engine: Engine, bpmn_of: Callable[[str], Bpmn], task: LockedTask, code: str) -> bool:
    """True when some event catches `code` thrown by this task. The engine would end the instance silently if not.

    `bpmn_of`: the BPMN of a definition id.

    Raises:
        EngineUnavailable: the engine does not answer.
    """
    if bpmn_of(task.process_definition_id).catches(task.activity_id, code):
        return True
    instance_id, definition_id = task.process_instance_id, task.process_definition_id
    for _ in range(MAX_DEPTH):
        caller = engine.calling_instance(instance_id)
        if caller is None:
            return False
        calling = bpmn_of(caller["definitionId"])
        activity_id = engine.calling_activity(caller["id"], instance_id)
        if activity_id is not None:
            if calling.catches(activity_id, code):
                return True
        # Without history nobody tells which call activity it is: caught only if each that may be it catches the code.
        elif (calls := calling.calling(bpmn_of(definition_id).key)) and all(
            calling.catches(activity, code) for activity in calls
        ):
            return True
        instance_id, definition_id = caller["id"], caller["definitionId"]
    return False
