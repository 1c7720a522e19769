"""The element of the diagram that a task belongs to, as the context of its step has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from camunda_bridge.bpmn import Diagram
from camunda_bridge.engine.definitions import Definition
from camunda_bridge.engine.locked_task import LockedTask
from camunda_bridge.errors import DefinitionError


def element_of(
    task: LockedTask, diagram_of: Callable[[str], Diagram], definition_of: Callable[[str], Definition]
) -> dict[str, Any]:
    """The fields of :class:`StepContext` that describe the element, its process and the task.

    Args:
        diagram_of: the diagram of a definition id.
        definition_of: gives key and version of a definition id.

    Raises:
        EngineUnavailable: the engine does not answer.
    """
    definition_id = task.process_definition_id
    try:
        properties = diagram_of(definition_id).properties.get(task.activity_id, {})
    except DefinitionError:
        # The engine runs what this reader cannot read: the step has its input all the same.
        properties = {}
    return {
        "element_id": task.activity_id,
        "process_key": task.process_definition_key,
        "process_version": definition_of(definition_id).version,
        "version_tag": task.version_tag,
        "business_key": task.business_key,
        "priority": task.priority,
        "retries": task.retries,
        "tenant_id": task.tenant_id,
        "properties": properties,
    }
