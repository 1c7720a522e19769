"""Which variables a message has to bring: those that the steps behind it need and that nothing else provides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from marshmallow import fields

from camunda_bridge.bpmn import Diagram, Node
from camunda_bridge.steps import StepDefinition
from tasks.processes import registry

#: types of JSON by the field of a schema, the first that fits
_TYPES: tuple[tuple[type[fields.Field[Any]], str], ...] = (
    (fields.Boolean, "boolean"),
    (fields.Integer, "integer"),
    (fields.Number, "number"),
    (fields.List, "array"),
    (fields.Dict, "object"),
    (fields.Nested, "object"),
    (fields.String, "string"),
    (fields.DateTime, "string"),
)
#: levels of nested objects that are described
_DEPTH = 3


def needed_fields(diagram: Diagram | None, event_id: str, known: set[str]) -> list[dict[str, Any]]:
    """The variables that the next steps behind an event read and that nothing else provides: name, type, required.

    Args:
        diagram: the diagram; None if it cannot be read, then nothing is known.
        event_id: the event that catches the message.
        known: the names of the variables that the process has.
    """
    node = None if diagram is None else diagram.node(event_id)
    if diagram is None or node is None:
        return []
    provided = _provided(diagram.key, known)
    found: dict[str, dict[str, Any]] = {}
    for step in _next_steps(node):
        for item in () if step.input_schema is None else _described(step.input_schema.fields, _DEPTH):
            before = found.get(item["name"])
            if item["name"] not in provided and (before is None or not before["required"]):
                found[item["name"]] = item
    return list(found.values())


def _provided(process_key: str, known: set[str]) -> set[str]:
    """The variables that a start or a step provides.

    If each of them declares what it provides, any other variable that the process has came with an earlier message,
    which a new one replaces.
    """
    process = registry.processes.get(process_key)
    if process is None:
        return known
    schemas = [process.start_schema, *(step.output_schema for step in process.steps.values())]
    declared = {item.data_key or name for schema in schemas if schema for name, item in schema.fields.items()}
    return declared if None not in schemas else declared | known


def _described(members: dict[str, fields.Field[Any]], depth: int) -> list[dict[str, Any]]:
    found = []
    for name, item in members.items():
        described: dict[str, Any] = {"name": item.data_key or name, "type": _type_of(item), "required": item.required}
        if isinstance(item, fields.Nested) and not item.many and depth > 1:
            described["fields"] = _described(item.schema.fields, depth - 1)
        found.append(described)
    return found


def _next_steps(event: Node) -> Iterator[StepDefinition]:
    """The steps that come before the process waits for anything else."""
    ahead, seen = list(event.outgoing), {event.id}
    while ahead:
        node = ahead.pop(0)
        if node.id in seen:
            continue
        seen.add(node.id)
        if node.topic:
            handler = registry.find(node.topic)
            if handler is not None:
                yield handler[1]
        elif node.is_subprocess:
            ahead += node.starts
        elif not node.waits or node.is_async_before or node.is_async_after:
            ahead += node.outgoing
            if not node.outgoing and node.scope is not None:
                # The end of a sub-process.
                ahead += node.scope.outgoing


def _type_of(item: fields.Field[Any]) -> str | None:
    return next((name for kind, name in _TYPES if isinstance(item, kind)), None)
