"""The element of the diagram that a task belongs to, as the context of its step has it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from camunda_bridge.bpmn import Bpmn
from camunda_bridge.engine.locked_task import LockedTask
from camunda_bridge.errors import DefinitionError

#: the engine's id of a definition, unless that would be longer than 64 characters
_ID = re.compile(r".+:(\d+):[^:]+\Z")


def element_of(task: LockedTask, bpmn_of: Callable[[str], Bpmn], version_of: Callable[[str], int]) -> dict[str, Any]:
    """The fields of :class:`StepContext` that describe the element, its process and the task.

    Args:
        bpmn_of: the BPMN of a definition id.
        version_of: the version of a definition id that does not show it.

    Raises:
        EngineUnavailable: the engine does not answer.
    """
    definition_id = task.process_definition_id
    try:
        properties = bpmn_of(definition_id).properties.get(task.activity_id, {})
    except DefinitionError:
        # The engine runs what this reader cannot read: the step has its input all the same.
        properties = {}
    shown = _ID.match(definition_id)
    return {
        "element_id": task.activity_id,
        "process_key": task.process_definition_key,
        "process_version": int(shown[1]) if shown else version_of(definition_id),
        "version_tag": task.version_tag,
        "business_key": task.business_key,
        "priority": task.priority,
        "retries": task.retries,
        "tenant_id": task.tenant_id,
        "properties": properties,
    }
