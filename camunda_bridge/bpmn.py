"""Reads from a BPMN file what workers need: topics, caught errors, asynchronous continuations and called processes.

Workers read the definition version that an instance runs on, because instances of older versions run beside newer ones.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field

from camunda_bridge.errors import DefinitionError

#: namespace of the elements that BPMN itself defines
BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
#: namespaces of the attributes and elements that Camunda and Operaton add
ENGINES = ("{http://camunda.org/schema/1.0/bpmn}", "{http://operaton.org/schema/1.0/bpmn}")
#: elements that contain flow nodes
_SCOPES = (BPMN + "subProcess", BPMN + "transaction")
#: elements by which an activity may have variables that its process instance doesn't have
_LOCAL_SCOPES = frozenset({*_SCOPES, BPMN + "multiInstanceLoopCharacteristics"})
_LOCAL_VARIABLES = frozenset({"inputParameter", "executionListener"})


@dataclass(slots=True)
class Bpmn:
    """One executable process of a BPMN file."""

    key: str
    #: activity id -> topic of each external task
    topics: dict[str, str] = field(default_factory=dict)
    #: call activity id -> key of the process that it starts
    call_activities: dict[str, str] = field(default_factory=dict)
    #: external tasks after which an asynchronous continuation may come before the next external task
    pauses_after: set[str] = field(default_factory=set)
    #: True when every activity sees exactly the variables of its process instance
    is_flat: bool = True
    #: error end event id -> error code that it throws
    error_ends: dict[str, str] = field(default_factory=dict)
    #: external task id -> codes of its `camunda:errorEventDefinition`s, in order; when the task is completed or has
    #: failed, the engine throws the first one whose expression is true
    error_definitions: dict[str, list[str]] = field(default_factory=dict)
    #: id of an external task -> its `camunda:properties`
    properties: dict[str, dict[str, str]] = field(default_factory=dict)
    #: activity id -> error codes that an event around the activity catches; None means any code
    _caught: dict[str, set[str | None]] = field(default_factory=dict)

    @property
    def calls(self) -> set[str]:
        """The keys of the processes that the call activities start."""
        return set(self.call_activities.values())

    def calling(self, key: str) -> list[str]:
        """The call activities that may start process `key`; an expression may name any process."""
        return [activity for activity, called in self.call_activities.items() if called == key or "{" in called]

    def catches(self, activity_id: str, code: str) -> bool:
        """True when an event of this process catches an error `code` that this activity throws."""
        caught = self._caught.get(activity_id, set())
        return None in caught or code in caught


def parse(xml: str | bytes, *, definition_id: str | None = None) -> Bpmn:
    """Read the executable process of a BPMN file.

    Args:
        definition_id: the engine's id of the definition, `<key>:<version>:<id>`; it selects one of several processes.

    Raises:
        DefinitionError: the file isn't XML, or doesn't hold exactly one executable process.
    """
    root = root_of(xml)
    processes = [found for found in root.iter(BPMN + "process") if found.get("isExecutable") == "true"]
    if definition_id is not None:
        of_key = [found for found in processes if definition_id.startswith(f"{found.get('id')}:")]
        processes = of_key or processes
    if len(processes) != 1:
        raise DefinitionError(f"a BPMN file must hold exactly one executable process; this one holds {len(processes)}")
    codes = {error.get("id", ""): error.get("errorCode") for error in root.iter(BPMN + "error")}
    bpmn = Bpmn(processes[0].get("id", ""))
    _read_scope(bpmn, processes[0], codes, set(), set())
    paths = _Paths(processes[0])
    bpmn.pauses_after = {activity_id for activity_id in bpmn.topics if paths.pauses_after(activity_id)}
    bpmn.is_flat = not any(_may_have_local_variables(node) for node in processes[0].iter())
    return bpmn


def root_of(xml: str | bytes) -> ET.Element:
    """The root element of an XML file.

    Raises:
        DefinitionError: the file isn't XML.
    """
    try:
        return ET.fromstring(xml)
    except ET.ParseError as error:
        raise DefinitionError(f"the file is not XML: {error}") from None


def _may_have_local_variables(node: ET.Element) -> bool:
    return node.tag in _LOCAL_SCOPES or any(
        node.tag == namespace + name for namespace in ENGINES for name in _LOCAL_VARIABLES
    )


def _read_scope(
    bpmn: Bpmn,
    scope: ET.Element,
    codes: dict[str, str | None],
    around: set[str | None],
    around_calls: set[str | None],
) -> None:
    """Record which error codes are caught around each node of a scope.

    Args:
        around: codes that events outside of the scope catch, of errors thrown in it.
        around_calls: the same, of errors that called processes throw.
    """
    # An event sub-process with an error start event catches errors that are thrown anywhere in its scope.
    handlers: dict[str, set[str | None]] = {}
    for sub in scope.findall(BPMN + "subProcess"):
        if _is_event_driven(sub):
            starts = sub.findall(BPMN + "startEvent")
            handlers[sub.get("id", "")] = set().union(*(_caught_codes(start, codes) for start in starts))
    on_boundary: dict[str, set[str | None]] = {}
    for boundary in scope.findall(BPMN + "boundaryEvent"):
        on_boundary.setdefault(boundary.get("attachedToRef", ""), set()).update(_caught_codes(boundary, codes))
    for node in scope:
        node_id = node.get("id", "")
        at_border = on_boundary.get(node_id, set())
        # An event sub-process doesn't catch errors that it throws itself. It does catch those of a process it calls.
        caught = around.union(at_border, *(found for handler, found in handlers.items() if handler != node_id))
        caught_of_calls = around_calls.union(at_border, *handlers.values())
        if node.tag in _SCOPES:
            _read_scope(bpmn, node, codes, caught, caught_of_calls)
            continue
        bpmn._caught[node_id] = caught
        if (topic := engine_attribute(node, "topic")) and _is_external(node):
            bpmn.topics[node_id] = topic
            bpmn.properties[node_id] = _properties(node)
            if thrown := _error_definitions(node, codes):
                bpmn.error_definitions[node_id] = thrown
        if node.tag == BPMN + "endEvent" and (definition := node.find(BPMN + "errorEventDefinition")) is not None:
            bpmn.error_ends[node_id] = _code(definition, codes) or ""
        if node.tag == BPMN + "callActivity" and (called := node.get("calledElement")):
            bpmn.call_activities[node_id] = called
            bpmn._caught[node_id] = caught_of_calls


def _caught_codes(event: ET.Element, codes: dict[str, str | None]) -> set[str | None]:
    # An event without an error reference, or whose error has no code, catches every code.
    return {_code(definition, codes) for definition in event.findall(BPMN + "errorEventDefinition")}


def _code(definition: ET.Element, codes: dict[str, str | None]) -> str | None:
    """The error code that an error event definition refers to; None when it refers to none."""
    reference = definition.get("errorRef")
    # The engine takes a reference to an undeclared error as the code itself
    # (BpmnParse.parseBoundaryErrorEventDefinition).
    return codes.get(reference, reference) or None if reference else None


def _properties(node: ET.Element) -> dict[str, str]:
    """The extension properties of an element."""
    return {
        item.get("name", ""): item.get("value", "")
        for extensions in node.findall(BPMN + "extensionElements")
        for namespace in ENGINES
        for item in extensions.findall(f"{namespace}properties/{namespace}property")
    }


def _error_definitions(node: ET.Element, codes: dict[str, str | None]) -> list[str]:
    found = [
        definition
        for extensions in node.findall(BPMN + "extensionElements")
        for namespace in ENGINES
        for definition in extensions.findall(namespace + "errorEventDefinition")
    ]
    return [_code(definition, codes) or "" for definition in found]


class _Paths:
    """The paths that a token may take through a process."""

    def __init__(self, process: ET.Element) -> None:
        self._nodes = {node.get("id", ""): node for node in process.iter() if node.get("id")}
        self._parents = {child: parent for parent in process.iter() for child in parent}
        self._flows: dict[str, list[ET.Element]] = {}
        for flow in process.iter(BPMN + "sequenceFlow"):
            if (target := self._nodes.get(flow.get("targetRef", ""))) is not None:
                self._flows.setdefault(flow.get("sourceRef", ""), []).append(target)

    def pauses_after(self, activity_id: str) -> bool:
        """True when an asynchronous continuation may come between this activity and the next external task."""
        start = self._nodes[activity_id]
        entering, leaving = list(self._on_error(start)), [start]
        entered: set[ET.Element] = set()
        left: set[ET.Element] = set()
        while entering or leaving:
            if entering:
                node = entering.pop()
                if node in entered:
                    continue
                entered.add(node)
                if "true" in (engine_attribute(node, "asyncBefore"), engine_attribute(node, "async")):
                    return True
                if node.tag in _SCOPES:
                    entering += node.findall(BPMN + "startEvent")
                elif not _is_external(node):
                    leaving.append(node)
                continue
            node = leaving.pop()
            if node in left:
                continue
            left.add(node)
            if engine_attribute(node, "asyncAfter") == "true":
                return True
            targets = self._flows.get(node.get("id", ""))
            if targets:
                entering += targets
            elif (parent := self._parents[node]).tag in _SCOPES:
                leaving.append(parent)
        return False

    def _on_error(self, start: ET.Element) -> Iterator[ET.Element]:
        """The events that may catch an error of this activity: on its own boundary and in the scopes around it."""
        node: ET.Element | None = start
        while node is not None and (scope := self._parents.get(node)) is not None:
            for event in scope.findall(BPMN + "boundaryEvent"):
                if event.get("attachedToRef") == node.get("id"):
                    yield event
            for sub in scope.findall(BPMN + "subProcess"):
                if _is_event_driven(sub) and sub is not node:
                    yield from sub.findall(BPMN + "startEvent")
            node = scope


def _is_event_driven(node: ET.Element) -> bool:
    return node.get("triggeredByEvent") == "true"


def _is_external(node: ET.Element) -> bool:
    return engine_attribute(node, "type") == "external"


def engine_attribute(node: ET.Element, name: str) -> str | None:
    """The value of an attribute in the namespace of Camunda or Operaton; None when it is missing."""
    for namespace in ENGINES:
        if (value := node.get(namespace + name)) is not None:
            return value
    return None
