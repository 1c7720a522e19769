"""Is an error code caught? Asked of the definition that the instance really runs on, and of those that called it."""

from __future__ import annotations

from functools import lru_cache

from camunda_bridge import catching
from camunda_bridge.bpmn import Bpmn, parse
from camunda_bridge.client import LockedTask
from tasks.runtime import runtime


@lru_cache(maxsize=500)
def deployed_bpmn(definition_id: str) -> Bpmn:
    """The BPMN of a deployed definition; it never changes, so one process asks once."""
    return parse(runtime().engine.definition_xml(definition_id), definition_id=definition_id)


def is_caught(task: LockedTask, code: str) -> bool:
    """True when some event catches `code` thrown by this task."""
    return catching.is_caught(runtime().engine, deployed_bpmn, task, code)
