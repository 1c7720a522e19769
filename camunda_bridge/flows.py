"""What a BPMN file says of its sequence flows: which the engine takes whenever their source is left, which it chooses.

The engine's history tells which elements were visited, never along which sequence flow.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

from camunda_bridge.bpmn import BPMN, root_of

#: gateways that choose among their outgoing flows; a parallel one takes them all
_CHOOSING = frozenset({"exclusiveGateway", "inclusiveGateway", "complexGateway", "eventBasedGateway"})
#: of these, those that take only one
_ONE_WAY = frozenset({"exclusiveGateway", "eventBasedGateway"})
#: the engine adds it to the id of an activity for what holds the activity's instances
BODY = "#multiInstanceBody"


@dataclass(frozen=True, slots=True)
class Flow:
    """A sequence flow, or two that a link joins: the engine goes past link events, which are in no history.

    Attributes:
        ids: of the flow, and of the one behind its link.
        target: what the engine enters.
        is_certain: taken whenever the source is left in the usual way.
    """

    ids: tuple[str, ...]
    source: str
    target: str
    is_certain: bool


@dataclass(slots=True)
class Diagram:
    """Ids of what a diagram shows, those within subprocesses too."""

    flows: list[Flow] = field(default_factory=list)
    #: sources that take one of their outgoing flows, others than those may take several
    one_way: set[str] = field(default_factory=set)
    event_gateways: set[str] = field(default_factory=set)
    multi_instances: set[str] = field(default_factory=set)


def read(xml: str) -> Diagram:
    """Read the flows of a BPMN file.

    Raises:
        DefinitionError: it is no XML.
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
    # An activity takes each flow without a condition, and its default flow when no condition holds.
    has_condition = flow.find(BPMN + "conditionExpression") is not None
    return not has_condition and (flow.get("id") != default or len(siblings) == 1)


def _links(root: ET.Element) -> dict[str, str]:
    """Link event that throws -> the one of its name that catches."""
    caught = {}
    for event in root.iter(BPMN + "intermediateCatchEvent"):
        if (link := event.find(BPMN + "linkEventDefinition")) is not None:
            caught[link.get("name")] = event.get("id", "")
    found = {}
    for event in root.iter(BPMN + "intermediateThrowEvent"):
        if (link := event.find(BPMN + "linkEventDefinition")) is not None and link.get("name") in caught:
            found[event.get("id", "")] = caught[link.get("name")]
    return found
