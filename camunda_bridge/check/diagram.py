"""Reads a BPMN file as a graph of nodes, for the checks.

:mod:`camunda_bridge.bpmn` reads the part that workers need for every step. This module also reads names, flows and
mappings; only commands for developers use it.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from camunda_bridge.bpmn import BPMN, ENGINES, engine_attribute

#: elements that contain nodes
SCOPES = frozenset({"process", "subProcess", "transaction", "adHocSubProcess"})
TASKS = frozenset(
    {"serviceTask", "task", "userTask", "scriptTask", "sendTask", "receiveTask", "manualTask", "businessRuleTask"}
)
GATEWAYS = frozenset({"exclusiveGateway", "parallelGateway", "inclusiveGateway", "eventBasedGateway", "complexGateway"})
EVENTS = frozenset({"startEvent", "endEvent", "intermediateCatchEvent", "intermediateThrowEvent", "boundaryEvent"})
_NODES = SCOPES | TASKS | GATEWAYS | EVENTS | {"callActivity"}


@dataclass(eq=False)
class Node:
    """A flow node; the process itself is the outermost node.

    Attributes:
        scope: the node that contains this one; None for the process.
        children: the nodes inside this one.
        outgoing: the nodes where its token goes next. For a link event that is the catching link event, for a
            compensation event its handler.
        boundary: the boundary events of this node.
        attached_to: the node to which a boundary event belongs.
        has_conditions: True when an outgoing flow has a condition.
    """

    id: str
    name: str
    kind: str
    xml: ET.Element
    scope: Node | None
    children: list[Node] = field(default_factory=list)
    outgoing: list[Node] = field(default_factory=list)
    incoming: list[Node] = field(default_factory=list)
    boundary: list[Node] = field(default_factory=list)
    attached_to: Node | None = None
    has_conditions: bool = False

    def attribute(self, name: str) -> str | None:
        """An attribute in the namespace of the engine, such as `topic`."""
        return engine_attribute(self.xml, name)

    def extensions(self, name: str) -> Iterator[ET.Element]:
        """The extension elements of this name that belong to this node, without those of nodes inside it."""
        for container in self.xml.findall(BPMN + "extensionElements"):
            for namespace in ENGINES:
                yield from container.iter(namespace + name)

    @property
    def is_external(self) -> bool:
        """True when a worker runs the node."""
        return self.attribute("type") == "external"

    @property
    def topic(self) -> str | None:
        """The topic of an external task; None for other nodes."""
        return self.attribute("topic") if self.is_external else None

    @property
    def is_event_subprocess(self) -> bool:
        """True for an event sub-process."""
        return self.xml.get("triggeredByEvent") == "true"

    @property
    def is_interrupting(self) -> bool:
        """True for an event that ends the activity or scope in which it happens."""
        return self.xml.get("cancelActivity", self.xml.get("isInterrupting", "true")) != "false"

    @property
    def is_compensation(self) -> bool:
        """True for a compensation handler and for the boundary event that leads to it."""
        return self.xml.get("isForCompensation") == "true" or self.has_event("compensate")

    @property
    def multi_instance(self) -> ET.Element | None:
        """The loop characteristics of a multi-instance node; None for other nodes."""
        return self.xml.find(BPMN + "multiInstanceLoopCharacteristics")

    def has_event(self, *kinds: str) -> bool:
        """True when this event is of one of these kinds, such as `error` or `message`."""
        return any(self.xml.find(f"{BPMN}{kind}EventDefinition") is not None for kind in kinds)

    @property
    def forks(self) -> bool:
        """True when a token takes every outgoing flow at the same time."""
        if self.kind in GATEWAYS:
            return self.kind == "parallelGateway"
        return not self.has_conditions

    @property
    def waits(self) -> bool:
        """True when an instance waits here: for a worker, a person, a message, a time, or another transaction."""
        if "true" in (self.attribute("asyncBefore"), self.attribute("async"), self.attribute("asyncAfter")):
            return True
        if self.kind in ("userTask", "receiveTask", "eventBasedGateway", "callActivity"):
            return True
        if self.kind == "intermediateCatchEvent":
            return not self.has_event("link")
        return self.is_external

    @property
    def starts(self) -> list[Node]:
        """The nodes where a token starts in this scope, without event sub-processes and compensation handlers."""
        return [
            node
            for node in self.children
            if not node.incoming
            and node.attached_to is None
            and not node.is_event_subprocess
            and not node.is_compensation
        ]

    @property
    def event_subprocesses(self) -> list[Node]:
        """The event sub-processes of this scope."""
        return [node for node in self.children if node.is_event_subprocess]

    def walk(self) -> Iterator[Node]:
        """Every node inside this one, at any depth."""
        for child in self.children:
            yield child
            yield from child.walk()


class Diagram:
    """The executable process of a file.

    Args:
        xml: the content of the file; :func:`camunda_bridge.bpmn.parse` must have accepted it.
    """

    def __init__(self, xml: bytes) -> None:
        tree = ET.fromstring(xml)
        found = next(item for item in tree.iter(BPMN + "process") if item.get("isExecutable") == "true")
        self.root = Node(found.get("id", ""), found.get("name", ""), "process", found, None)
        self._nodes: dict[str, Node] = {}
        _fill(self.root, self._nodes)
        self._connect(found)

    @cached_property
    def nodes(self) -> list[Node]:
        """Every node of the process, in the order of the file."""
        return list(self.root.walk())

    @cached_property
    def steps(self) -> list[Node]:
        """The external tasks."""
        return [node for node in self.nodes if node.topic]

    @cached_property
    def call_activities(self) -> list[Node]:
        """The call activities that start another process."""
        return [node for node in self.nodes if node.kind == "callActivity" and node.xml.get("calledElement")]

    def _connect(self, process: ET.Element) -> None:
        for flow in process.iter(BPMN + "sequenceFlow"):
            source = self._nodes.get(flow.get("sourceRef", ""))
            target = self._nodes.get(flow.get("targetRef", ""))
            if source is not None and target is not None:
                _join(source, target)
                source.has_conditions |= flow.find(BPMN + "conditionExpression") is not None
        for node in self._nodes.values():
            attached_to = self._nodes.get(node.xml.get("attachedToRef", ""))
            if node.kind == "boundaryEvent" and attached_to is not None:
                node.attached_to = attached_to
                attached_to.boundary.append(node)
        for link in process.iter(BPMN + "association"):
            source = self._nodes.get(link.get("sourceRef", ""))
            target = self._nodes.get(link.get("targetRef", ""))
            if source is not None and target is not None and source.has_event("compensate"):
                _join(source, target)
        catching = {_link(node): node for node in self._nodes.values() if node.kind == "intermediateCatchEvent"}
        for node in self._nodes.values():
            if node.kind == "intermediateThrowEvent" and (name := _link(node)) and (target := catching.get(name)):
                _join(node, target)


def _fill(scope: Node, nodes: dict[str, Node]) -> None:
    for element in scope.xml:
        kind = element.tag.removeprefix(BPMN)
        if kind not in _NODES:
            continue
        node = Node(element.get("id", ""), element.get("name", ""), kind, element, scope)
        scope.children.append(node)
        nodes[node.id] = node
        if kind in SCOPES:
            _fill(node, nodes)


def _join(source: Node, target: Node) -> None:
    source.outgoing.append(target)
    target.incoming.append(source)


def _link(node: Node) -> str | None:
    definition = node.xml.find(BPMN + "linkEventDefinition")
    return None if definition is None else definition.get("name")
