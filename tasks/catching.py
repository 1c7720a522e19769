"""Is an error code caught? Asked of the definition that the instance really runs on, and of those that called it."""

from __future__ import annotations

from functools import lru_cache

from camunda_bridge.bpmn import Bpmn, parse
from camunda_bridge.client import LockedTask
from tasks.runtime import runtime

#: call activities nested deeper than this are taken for a loop
MAX_DEPTH = 20


@lru_cache(maxsize=500)
def deployed_bpmn(definition_id: str) -> Bpmn:
    """The BPMN of a deployed definition; it never changes, so one process asks once."""
    return parse(runtime().engine.definition_xml(definition_id))


def is_caught(task: LockedTask, code: str) -> bool:
    """True when some event catches `code` thrown by this task. The engine would end the instance silently if not."""
    bpmn = deployed_bpmn(task.process_definition_id)
    if bpmn.catches(task.activity_id, code):
        return True
    instance_id = task.process_instance_id
    for _ in range(MAX_DEPTH):
        caller = runtime().engine.calling_instance(instance_id)
        if caller is None:
            return False
        calling_bpmn = deployed_bpmn(caller["definitionId"])
        if any(calling_bpmn.catches(activity, code) for activity in calling_bpmn.calling(bpmn.key)):
            return True
        instance_id, bpmn = caller["id"], calling_bpmn
    return False
