"""The nodes of a diagram: activities, events, gateways, and the scopes that contain them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from camunda_bridge.bpmn.xml import BPMN, ENGINES, engine_attribute

#: elements that contain nodes
SCOPES = frozenset({"process", "subProcess", "transaction", "adHocSubProcess"})
TASKS = frozenset(
    {"serviceTask", "task", "userTask", "scriptTask", "sendTask", "receiveTask", "manualTask", "businessRuleTask"}
)
GATEWAYS = frozenset({"exclusiveGateway", "parallelGateway", "inclusiveGateway", "eventBasedGateway", "complexGateway"})
EVENTS = frozenset({"startEvent", "endEvent", "intermediateCatchEvent", "intermediateThrowEvent", "boundaryEvent"})
_NODES = SCOPES | TASKS | GATEWAYS | EVENTS | {"callActivity"}
#: nodes whose `camunda:type`, `camunda:class`, `camunda:expression` and so on the engine reads (BpmnParse,
#: parseServiceTaskLike). A throwing message event has them on its event definition.
_SERVICE_TASKS = frozenset({"serviceTask", "sendTask", "businessRuleTask"})
_THROWING = frozenset({"intermediateThrowEvent", "endEvent"})


@dataclass(frozen=True, slots=True)
class Way:
    """A sequence flow that leaves a node.

    Attributes:
        id: its id.
        target: the node where it leads.
        condition: the text of its condition; None without one.
        is_default: True if it is taken when no condition is true.
        xml: its element.
    """

    id: str
    target: Node
    condition: str | None
    is_default: bool
    xml: etree._Element


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
        ways: the sequence flows that leave this node.
    """

    id: str
    name: str
    kind: str
    xml: etree._Element
    scope: Node | None
    children: list[Node] = field(default_factory=list)
    outgoing: list[Node] = field(default_factory=list)
    incoming: list[Node] = field(default_factory=list)
    boundary: list[Node] = field(default_factory=list)
    attached_to: Node | None = None
    ways: list[Way] = field(default_factory=list)

    def attribute(self, name: str) -> str | None:
        """An attribute in the namespace of the engine, such as `asyncAfter`."""
        return engine_attribute(self.xml, name)

    @property
    def implementation(self) -> etree._Element | None:
        """The element that says what the engine runs here, by `camunda:type`, `camunda:topic` or `camunda:class`.

        It is the event definition of a throwing message event, and the node itself for a service, send or business
        rule task. None for other nodes.
        """
        if self.kind in _SERVICE_TASKS:
            return self.xml
        return self.xml.find(f"{BPMN}messageEventDefinition") if self.kind in _THROWING else None

    def implemented_by(self, name: str) -> str | None:
        """An attribute of :attr:`implementation` in the namespace of the engine, such as `topic`."""
        element = self.implementation
        return None if element is None else engine_attribute(element, name)

    def extensions(self, name: str) -> Iterator[etree._Element]:
        """The extension elements of this name that belong to this node, without those of nodes inside it."""
        yield from extensions(self.xml, name)

    @property
    def is_external(self) -> bool:
        """True when a worker runs the node."""
        return self.implemented_by("type") == "external"

    @property
    def topic(self) -> str | None:
        """The topic of an external task; None for other nodes."""
        return self.implemented_by("topic") if self.is_external else None

    @property
    def properties(self) -> dict[str, str]:
        """The extension properties of an external task, as the engine gives them to workers."""
        groups = self.extensions("properties")
        return {item.get("name", ""): item.get("value", "") for group in groups for item in group}

    @property
    def result_variable(self) -> str | None:
        """The variable that gets the result of a service task, of a script or of a decision."""
        return self.implemented_by("resultVariable") or self.attribute("resultVariable")

    @property
    def called_element(self) -> str | None:
        """The key of the process that a call activity starts, or an expression; None for other nodes."""
        return self.xml.get("calledElement") or None if self.kind == "callActivity" else None

    @property
    def is_subprocess(self) -> bool:
        """True for an embedded sub-process or a transaction."""
        return self.kind in ("subProcess", "transaction")

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
    def scopes(self) -> Iterator[Node]:
        """The scopes around the node, from the innermost to the process."""
        around = self.scope
        while around is not None:
            yield around
            around = around.scope

    @property
    def parallel_scope(self) -> Node | None:
        """The innermost parallel multi-instance that this node is, or is in; None if there is none."""
        for node in (self, *self.scopes):
            if node.multi_instance is not None and node.multi_instance.get("isSequential") != "true":
                return node
        return None

    @property
    def multi_instance(self) -> etree._Element | None:
        """The loop characteristics of a multi-instance node; None for other nodes."""
        return self.xml.find(BPMN + "multiInstanceLoopCharacteristics")

    def has_event(self, *kinds: str) -> bool:
        """True when this event is of one of these kinds, such as `error` or `message`."""
        return any(self.xml.find(f"{BPMN}{kind}EventDefinition") is not None for kind in kinds)

    @property
    def always_taken(self) -> list[Node]:
        """Those of `outgoing` to which a token goes each time it leaves this node.

        A parallel gateway ignores conditions; an exclusive, event-based or complex gateway chooses one flow.
        """
        if self.kind in GATEWAYS - {"parallelGateway", "inclusiveGateway"}:
            return self.outgoing if len(self.outgoing) == 1 else []
        if self.kind == "parallelGateway":
            return self.outgoing
        return [way.target for way in self.ways if way.condition is None and not way.is_default]

    @property
    def is_async_before(self) -> bool:
        """True when the engine enters the node in a transaction of its own."""
        return "true" in (self.attribute("asyncBefore"), self.attribute("async"))

    @property
    def is_async_after(self) -> bool:
        """True when the engine leaves the node in a transaction of its own."""
        return self.attribute("asyncAfter") == "true"

    @property
    def waits(self) -> bool:
        """True when an instance waits here: for a worker, a person, a message, a time, or another transaction."""
        if self.is_async_before or self.is_async_after:
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


def tree_of(process: etree._Element) -> Node:
    """The nodes of a process, joined by its flows, boundary events, link events and compensation handlers."""
    root = Node(process.get("id", ""), process.get("name", ""), "process", process, None)
    nodes: dict[str, Node] = {}
    _fill(root, nodes)
    for flow in process.iter(BPMN + "sequenceFlow"):
        source, target = nodes.get(flow.get("sourceRef", "")), nodes.get(flow.get("targetRef", ""))
        if source is not None and target is not None:
            _join(source, target)
            condition = flow.find(BPMN + "conditionExpression")
            text = None if condition is None else condition.text or ""
            flow_id = flow.get("id", "")
            source.ways.append(Way(flow_id, target, text, flow_id == source.xml.get("default"), flow))
    for node in nodes.values():
        attached_to = nodes.get(node.xml.get("attachedToRef", ""))
        if node.kind == "boundaryEvent" and attached_to is not None:
            node.attached_to = attached_to
            attached_to.boundary.append(node)
    for association in process.iter(BPMN + "association"):
        source, target = nodes.get(association.get("sourceRef", "")), nodes.get(association.get("targetRef", ""))
        if source is not None and target is not None and source.has_event("compensate"):
            _join(source, target)
    catching = {_link(node): node for node in nodes.values() if node.kind == "intermediateCatchEvent"}
    for node in nodes.values():
        if node.kind == "intermediateThrowEvent" and (name := _link(node)) and (target := catching.get(name)):
            _join(node, target)
    return root


def extensions(element: etree._Element | None, name: str) -> Iterator[etree._Element]:
    """The extension elements of this name that belong to an element."""
    for container in () if element is None else element.findall(BPMN + "extensionElements"):
        for namespace in ENGINES:
            yield from container.iter(namespace + name)


def _fill(scope: Node, nodes: dict[str, Node]) -> None:
    for element in scope.xml:
        kind = str(element.tag).removeprefix(BPMN)
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
