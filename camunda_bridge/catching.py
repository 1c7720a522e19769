"""Is an error code caught, in the process that throws it or in those that called it?"""

from __future__ import annotations

from collections.abc import Callable

from camunda_bridge.bpmn import Bpmn
from camunda_bridge.client import Engine, LockedTask

#: call activities nested deeper than this are taken for a loop
MAX_DEPTH = 20


def is_caught(engine: Engine, bpmn_of: Callable[[str], Bpmn], task: LockedTask, code: str) -> bool:
    """True when some event catches `code` thrown by this task. The engine would end the instance silently if not.

    `bpmn_of`: the BPMN of a definition id.
    """
    bpmn = bpmn_of(task.process_definition_id)
    if bpmn.catches(task.activity_id, code):
        return True
    instance_id = task.process_instance_id
    for _ in range(MAX_DEPTH):
        caller = engine.calling_instance(instance_id)
        if caller is None:
            return False
        calling_bpmn = bpmn_of(caller["definitionId"])
        if any(calling_bpmn.catches(activity, code) for activity in calling_bpmn.calling(bpmn.key)):
            return True
        instance_id, bpmn = caller["id"], calling_bpmn
    return False
