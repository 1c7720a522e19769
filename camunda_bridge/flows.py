"""Reads the sequence flows of a BPMN file: which ones the engine always takes, and among which ones it chooses.

The history of the engine has the elements that an instance visited, but not the sequence flows that it took.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

from camunda_bridge.bpmn import BPMN, root_of

#: gateways that choose among their outgoing flows; a parallel gateway takes all of them
_CHOOSING = frozenset({"exclusiveGateway", "inclusiveGateway", "complexGateway", "eventBasedGateway"})
#: gateways that take exactly one outgoing flow
_ONE_WAY = frozenset({"exclusiveGateway", "eventBasedGateway"})
#: suffix of the activity id that the engine gives to the body of a multi-instance activity
BODY = "#multiInstanceBody"


@dataclass(frozen=True, slots=True)
class Flow:
    """A sequence flow, or two that a link event joins: link events don't appear in the engine's history.

    Attributes:
        ids: the id of the flow, and that of the flow after the link event.
        source: id of the element that the engine leaves.
        target: id of the element that the engine enters.
        is_certain: True when the engine takes the flow each time the source ends normally.
    """

    ids: tuple[str, ...]
    source: str
    target: str
    is_certain: bool


@dataclass(slots=True)
class Diagram:
    """The flows and some element ids of a diagram, including those inside sub-processes."""

    flows: list[Flow] = field(default_factory=list)
    #: ids of gateways that take exactly one of their outgoing flows; other elements may take several
    one_way: set[str] = field(default_factory=set)
    event_gateways: set[str] = field(default_factory=set)
    multi_instances: set[str] = field(default_factory=set)


def read(xml: str) -> Diagram:
    """Read the flows of a BPMN file.

    Raises:
        DefinitionError: the file isn't XML.
    """
    root = root_of(xml)
    nodes = {node.get("id", ""): node for node in root.iter() if node.get("id")}
    links = _links(root)
    out: dict[str, list[ET.Element]] = {}
    for flow in root.iter(BPMN + "sequenceFlow"):
        out.setdefault(flow.get("sourceRef", ""), []).append(flow)
    diagram = Diagram()
    for source, flows in out.items():
        node = nodes.get(source)
        kind = "" if node is None else node.tag.removeprefix(BPMN)
        default = None if node is None else node.get("default")
        if kind in _ONE_WAY:
            diagram.one_way.add(source)
        for flow in flows:
            way = [flow, *out.get(links.get(flow.get("targetRef", ""), ""), [])]
            ids = tuple(part.get("id", "") for part in way)
            target = way[-1].get("targetRef", "")
            diagram.flows.append(Flow(ids, source, target, _is_certain(flow, kind, default, flows)))
    diagram.event_gateways = {node.get("id", "") for node in root.iter(BPMN + "eventBasedGateway")}
    diagram.multi_instances = {
        name for name, node in nodes.items() if node.find(BPMN + "multiInstanceLoopCharacteristics") is not None
    }
    return diagram


def _is_certain(flow: ET.Element, kind: str, default: str | None, siblings: list[ET.Element]) -> bool:
    if kind == "parallelGateway":
        return True
    if kind in _CHOOSING:
        return len(siblings) == 1
    # An activity takes each flow without a condition, and its default flow if no condition is true.
    has_condition = flow.find(BPMN + "conditionExpression") is not None
    return not has_condition and (flow.get("id") != default or len(siblings) == 1)


def _links(root: ET.Element) -> dict[str, str]:
    """Id of each throwing link event -> id of the catching link event of the same name."""
    caught = {}
    for event in root.iter(BPMN + "intermediateCatchEvent"):
        if (link := event.find(BPMN + "linkEventDefinition")) is not None:
            caught[link.get("name")] = event.get("id", "")
    found = {}
    for event in root.iter(BPMN + "intermediateThrowEvent"):
        if (link := event.find(BPMN + "linkEventDefinition")) is not None and link.get("name") in caught:
            found[event.get("id", "")] = caught[link.get("name")]
    return found
