"""The sequence flows of a diagram: which ones the engine always takes, and among which ones it chooses.

The history of the engine has the elements that an instance visited, but not the sequence flows that it took.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lxml import etree

from camunda_bridge.bpmn.node import Node
from camunda_bridge.bpmn.xml import BPMN

#: gateways that choose among their outgoing flows; a parallel gateway takes all of them
_CHOOSING = frozenset({"exclusiveGateway", "inclusiveGateway", "complexGateway", "eventBasedGateway"})


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


def flows_of(root: Node, nodes: Mapping[str, Node]) -> Iterator[Flow]:
    """The flows of a process, grouped by their sources in the order of the file.

    Args:
        nodes: the nodes of the process by their ids.
    """
    out: dict[str, list[etree._Element]] = {}
    for flow in root.xml.iter(BPMN + "sequenceFlow"):
        out.setdefault(flow.get("sourceRef", ""), []).append(flow)
    for source, flows in out.items():
        node = nodes.get(source)
        for flow in flows:
            way = [flow]
            if (throwing := nodes.get(flow.get("targetRef", ""))) is not None and throwing.has_event("link"):
                way += [after for caught in throwing.outgoing for after in out.get(caught.id, [])]
            ids = tuple(part.get("id", "") for part in way)
            yield Flow(ids, source, way[-1].get("targetRef", ""), _is_certain(flow, node, flows))


def _is_certain(flow: etree._Element, source: Node | None, siblings: list[etree._Element]) -> bool:
    kind, default = ("", None) if source is None else (source.kind, source.xml.get("default"))
    if kind == "parallelGateway":
        return True
    if kind in _CHOOSING:
        return len(siblings) == 1
    # An activity takes each flow without a condition, and its default flow if no condition is true.
    has_condition = flow.find(BPMN + "conditionExpression") is not None
    return not has_condition and (flow.get("id") != default or len(siblings) == 1)
