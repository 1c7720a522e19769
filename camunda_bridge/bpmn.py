"""What the bridge must know of a BPMN file: which errors are caught, where the engine goes on by itself, who is called.

Read from the definition that an instance really runs on, since older versions go on beside newer ones.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field

from camunda_bridge.errors import DefinitionError

#: namespace of BPMN's own elements; namespaces of the engines' attributes and elements
BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
ENGINES = ("{http://camunda.org/schema/1.0/bpmn}", "{http://operaton.org/schema/1.0/bpmn}")
#: elements with a sequence of their own
_SCOPES = (BPMN + "subProcess", BPMN + "transaction")
#: what may give an activity variables that its process instance does not have
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
    #: activities behind which an asynchronous continuation comes
    pauses_after: set[str] = field(default_factory=set)
    #: every activity sees the variables of its process instance and no others
    is_flat: bool = True
    #: error end event id -> the code that it throws
    error_ends: dict[str, str] = field(default_factory=dict)
    #: external task id -> codes of its `camunda:errorEventDefinition`s, in order: the engine throws the first whose
    #: expression holds when the task is completed or has failed
    error_definitions: dict[str, list[str]] = field(default_factory=dict)
    #: activity id -> error codes caught around it; None stands for any code
    _caught: dict[str, set[str | None]] = field(default_factory=dict)

    @property
    def calls(self) -> set[str]:
        """Keys of the processes that call activities start."""
        return set(self.call_activities.values())

    def calling(self, key: str) -> list[str]:
        """The call activities that start process `key`; those whose process is an expression may start any."""
        return [activity for activity, called in self.call_activities.items() if called == key or "{" in called]

    def catches(self, activity_id: str, code: str) -> bool:
        """True when an error of `code` thrown by this activity is caught inside this process."""
        caught = self._caught.get(activity_id, set())
        return None in caught or code in caught


def parse(xml: str | bytes, *, definition_id: str | None = None) -> Bpmn:
    """Read the executable process of a BPMN file.

    `definition_id`: the engine's id of the definition, `<key>:<version>:<id>`: chooses among several processes.

    Raises:
        DefinitionError: it is no XML, or holds no executable process, or more than one.
    """
    root = root_of(xml)
    processes = [found for found in root.iter(BPMN + "process") if found.get("isExecutable") == "true"]
    if definition_id is not None:
        of_key = [found for found in processes if definition_id.startswith(f"{found.get('id')}:")]
        processes = of_key or processes
    if len(processes) != 1:
        raise DefinitionError(f"a BPMN file must hold one executable process, this one holds {len(processes)}")
    codes = {error.get("id", ""): error.get("errorCode") for error in root.iter(BPMN + "error")}
    bpmn = Bpmn(processes[0].get("id", ""))
    _read_scope(bpmn, processes[0], codes, set(), set())
    paths = _Paths(processes[0])
    bpmn.pauses_after = {activity_id for activity_id in bpmn.topics if paths.pauses_after(activity_id)}
    bpmn.is_flat = not any(_has_variables_of_its_own(node) for node in processes[0].iter())
    return bpmn


def root_of(xml: str | bytes) -> ET.Element:
    """The outermost element of a file.

    Raises:
        DefinitionError: it is no XML.
    """
    try:
        return ET.fromstring(xml)
    except ET.ParseError as error:
        raise DefinitionError(f"no XML: {error}") from None


def _has_variables_of_its_own(node: ET.Element) -> bool:
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
    """Note what is caught around each node of a scope; `around_calls`: of errors that come out of called processes."""
    # An event sub-process with an error start event catches what is thrown anywhere in its scope.
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
        # What an event sub-process throws is not caught by itself. What a process throws that it calls is.
        caught = around.union(at_border, *(found for handler, found in handlers.items() if handler != node_id))
        caught_of_calls = around_calls.union(at_border, *handlers.values())
        if node.tag in _SCOPES:
            _read_scope(bpmn, node, codes, caught, caught_of_calls)
            continue
        bpmn._caught[node_id] = caught
        if (topic := engine_attribute(node, "topic")) and _is_external(node):
            bpmn.topics[node_id] = topic
            if thrown := _error_definitions(node, codes):
                bpmn.error_definitions[node_id] = thrown
        if node.tag == BPMN + "endEvent" and (definition := node.find(BPMN + "errorEventDefinition")) is not None:
            bpmn.error_ends[node_id] = _code(definition, codes) or ""
        if node.tag == BPMN + "callActivity" and (called := node.get("calledElement")):
            bpmn.call_activities[node_id] = called
            bpmn._caught[node_id] = caught_of_calls


def _caught_codes(event: ET.Element, codes: dict[str, str | None]) -> set[str | None]:
    # Without a reference, or with an error that has no code, the event catches every code.
    return {_code(definition, codes) for definition in event.findall(BPMN + "errorEventDefinition")}


def _code(definition: ET.Element, codes: dict[str, str | None]) -> str | None:
    """The error code that an error event definition refers to; None without one."""
    reference = definition.get("errorRef")
    # A reference to an error that is not declared is itself the code (BpmnParse.parseBoundaryErrorEventDefinition).
    return codes.get(reference, reference) or None if reference else None


def _error_definitions(node: ET.Element, codes: dict[str, str | None]) -> list[str]:
    found = [
        definition
        for extensions in node.findall(BPMN + "extensionElements")
        for namespace in ENGINES
        for definition in extensions.findall(namespace + "errorEventDefinition")
    ]
    return [_code(definition, codes) or "" for definition in found]


class _Paths:
    """The ways that a token may take through a process."""

    def __init__(self, process: ET.Element) -> None:
        self._nodes = {node.get("id", ""): node for node in process.iter() if node.get("id")}
        self._parents = {child: parent for parent in process.iter() for child in parent}
        self._flows: dict[str, list[ET.Element]] = {}
        for flow in process.iter(BPMN + "sequenceFlow"):
            if (target := self._nodes.get(flow.get("targetRef", ""))) is not None:
                self._flows.setdefault(flow.get("sourceRef", ""), []).append(target)

    def pauses_after(self, activity_id: str) -> bool:
        """True when an asynchronous continuation may lie between this activity and the next external task."""
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
        """The events that an error of this activity may go to: on its own boundary and in the scopes around it."""
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
    """An attribute in the namespace of Camunda or Operaton."""
    for namespace in ENGINES:
        if (value := node.get(namespace + name)) is not None:
            return value
    return None
