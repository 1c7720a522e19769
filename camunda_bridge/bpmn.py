"""What the bridge must know of a BPMN file: which errors are caught, where the engine goes on by itself, who is called.

Read from the definition that an instance really runs on, since older versions go on beside newer ones.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field

from camunda_bridge.errors import DefinitionError

_BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
_ENGINES = ("{http://camunda.org/schema/1.0/bpmn}", "{http://operaton.org/schema/1.0/bpmn}")


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


def parse(xml: str | bytes) -> Bpmn:
    """Read the executable process of a BPMN file.

    Raises:
        DefinitionError: it is no XML, or holds no executable process, or more than one.
    """
    try:
        root = ET.fromstring(xml)
    except ET.ParseError as error:
        raise DefinitionError(f"no XML: {error}") from None
    processes = [found for found in root.iter(_BPMN + "process") if found.get("isExecutable") == "true"]
    if len(processes) != 1:
        raise DefinitionError(f"a BPMN file must hold one executable process, this one holds {len(processes)}")
    codes = {error.get("id", ""): error.get("errorCode") for error in root.iter(_BPMN + "error")}
    bpmn = Bpmn(processes[0].get("id", ""))
    _read_scope(bpmn, processes[0], codes, around=set())
    _read_pauses(bpmn, processes[0])
    return bpmn


def _read_scope(bpmn: Bpmn, scope: ET.Element, codes: dict[str, str | None], around: set[str | None]) -> None:
    # An event sub-process with an error start event catches what is thrown anywhere in its scope.
    caught_here = set(around)
    for sub in scope.findall(_BPMN + "subProcess"):
        if sub.get("triggeredByEvent") == "true":
            for start in sub.findall(_BPMN + "startEvent"):
                caught_here |= _caught_codes(start, codes)
    on_boundary: dict[str, set[str | None]] = {}
    for boundary in scope.findall(_BPMN + "boundaryEvent"):
        on_boundary.setdefault(boundary.get("attachedToRef", ""), set()).update(_caught_codes(boundary, codes))
    for node in scope:
        node_id = node.get("id", "")
        caught = caught_here | on_boundary.get(node_id, set())
        if node.tag in (_BPMN + "subProcess", _BPMN + "transaction"):
            # What an event sub-process throws is not caught by itself, only by what is around its parent.
            event_driven = node.get("triggeredByEvent") == "true"
            _read_scope(bpmn, node, codes, around=set(around) if event_driven else caught)
            continue
        bpmn._caught[node_id] = caught
        if (topic := _engine_attribute(node, "topic")) and _engine_attribute(node, "type") == "external":
            bpmn.topics[node_id] = topic
        if node.tag == _BPMN + "callActivity" and (called := node.get("calledElement")):
            bpmn.call_activities[node_id] = called


def _caught_codes(event: ET.Element, codes: dict[str, str | None]) -> set[str | None]:
    found: set[str | None] = set()
    for definition in event.findall(_BPMN + "errorEventDefinition"):
        reference = definition.get("errorRef")
        # without a reference, or with an error that has no code, the event catches every code
        found.add(codes.get(reference) if reference else None)
    return found


def _read_pauses(bpmn: Bpmn, process: ET.Element) -> None:
    nodes = {node.get("id", ""): node for node in process.iter() if node.get("id")}
    flows: dict[str, list[str]] = {}
    for flow in process.iter(_BPMN + "sequenceFlow"):
        flows.setdefault(flow.get("sourceRef", ""), []).append(flow.get("targetRef", ""))
    parents = {child: parent for parent in process.iter() for child in parent}
    for activity_id in bpmn.topics:
        if any(_is_async(node, nodes[activity_id]) for node in _passed(nodes, flows, parents, nodes[activity_id])):
            bpmn.pauses_after.add(activity_id)


def _passed(
    nodes: dict[str, ET.Element],
    flows: dict[str, list[str]],
    parents: dict[ET.Element, ET.Element],
    start: ET.Element,
) -> Iterator[ET.Element]:
    """The nodes that a token may reach from `start` (and from its boundary events) without another external task."""
    seen: set[str] = set()
    boundary = [node for node in nodes.values() if node.get("attachedToRef") == start.get("id")]
    waiting = [start, *boundary]
    while waiting:
        node = waiting.pop()
        node_id = node.get("id", "")
        if node_id in seen:
            continue
        seen.add(node_id)
        yield node
        if node is not start and _engine_attribute(node, "type") == "external":
            continue
        waiting += [nodes[target] for target in flows.get(node_id, []) if target in nodes]
        parent = parents.get(node)
        if node.tag == _BPMN + "endEvent" and parent is not None and parent.tag == _BPMN + "subProcess":
            waiting.append(parent)
        elif node.tag == _BPMN + "subProcess" and not flows.get(node_id):
            waiting += node.findall(_BPMN + "startEvent")


def _is_async(node: ET.Element, start: ET.Element) -> bool:
    before = _engine_attribute(node, "asyncBefore") == "true" or _engine_attribute(node, "async") == "true"
    after = _engine_attribute(node, "asyncAfter") == "true"
    return after or (before and node is not start)


def _engine_attribute(node: ET.Element, name: str) -> str | None:
    for namespace in _ENGINES:
        if (value := node.get(namespace + name)) is not None:
            return value
    return None
