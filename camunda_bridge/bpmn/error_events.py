"""Which error codes events throw and catch."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from camunda_bridge.bpmn.node import Node, extensions
from camunda_bridge.bpmn.xml import BPMN

#: id of an `<error>` -> its code
Codes = Mapping[str, str | None]

#: the expression of a `camunda:errorEventDefinition` that throws nothing: it only declares the error of a step, whose
#: worker throws it; the element templates have it
NEVER = "${false}"


def declared_codes(definitions: etree._Element) -> dict[str, str | None]:
    """The codes of the errors that a file declares, by the ids of the errors."""
    return {error.get("id", ""): error.get("errorCode") for error in definitions.iter(BPMN + "error")}


def caught_around(node: Node, codes: Codes) -> set[str | None]:
    """The codes that events catch when a node throws them, in its process; None stands for any code."""
    caught: set[str | None] = set()
    inner = node
    while (scope := inner.scope) is not None:
        for event in inner.boundary:
            caught |= codes_of(event, codes)
        # An event sub-process with an error start event catches errors that are thrown anywhere in its scope, except
        # those that it throws itself. It does catch those of a process that it calls.
        for handler in scope.event_subprocesses:
            if handler is not inner or node.kind == "callActivity":
                for start in handler.children:
                    if start.kind == "startEvent":
                        caught |= codes_of(start, codes)
        inner = scope
    return caught


def thrown_at_end(node: Node, codes: Codes) -> str | None:
    """The code that an error end event throws, "" without one; None for other nodes."""
    if node.kind != "endEvent":
        return None
    definition = node.xml.find(BPMN + "errorEventDefinition")
    return None if definition is None else _code(definition, codes) or ""


def thrown_by_expressions(node: Node, codes: Codes) -> list[str]:
    """The codes that the `camunda:errorEventDefinition`s of an external task may throw, in order."""
    if not node.is_external:
        return []
    definitions = extensions(node.implementation, "errorEventDefinition")
    return [_code(found, codes) or "" for found in definitions if found.get("expression") != NEVER]


def codes_of(event: Node, codes: Codes) -> set[str | None]:
    """The codes that an event catches; None stands for any code."""
    # An event without an error reference, or whose error has no code, catches every code.
    return {_code(definition, codes) for definition in event.xml.findall(BPMN + "errorEventDefinition")}


def _code(definition: etree._Element, codes: Codes) -> str | None:
    """The error code that an error event definition refers to; None when it refers to none."""
    reference = definition.get("errorRef")
    # The engine takes a reference to an undeclared error as the code itself
    # (BpmnParse.parseBoundaryErrorEventDefinition).
    return codes.get(reference, reference) or None if reference else None
