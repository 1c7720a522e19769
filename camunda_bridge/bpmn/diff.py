"""Compares two versions of a process, element by element.

    for change in compare(old, new):
        print(change.change, change.id)

Elements are compared by their ids, by which the engine knows where an instance is. An element with another id is one
that was removed and one that was added.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from lxml import etree

from camunda_bridge.bpmn.diagram import Diagram
from camunda_bridge.bpmn.facts import Facts, declared_elements, facts_of
from camunda_bridge.bpmn.node import EVENTS, GATEWAYS, SCOPES, TASKS, Node
from camunda_bridge.bpmn.xml import BPMN, ENGINES

#: elements of a diagram that are no nodes
_BESIDE = frozenset(
    {
        "sequenceFlow",
        "association",
        "textAnnotation",
        "group",
        "dataObject",
        "dataObjectReference",
        "dataStoreReference",
    }
)
#: what a scope contains. `incoming` and `outgoing` repeat the sequence flows, and the engine doesn't read them.
_INSIDE = TASKS | GATEWAYS | EVENTS | SCOPES | _BESIDE | {"callActivity", "laneSet", "incoming", "outgoing"}
#: the order in which an exclusive gateway tries its sequence flows: the first one whose condition is true is taken
_ORDER = "order of flows"
#: names of parts of a file for people
_PARTS = {"BPMNDiagram": "layout", "laneSet": "lanes"}

Kind = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact of an element in both versions; None where it has none.

    Attributes:
        name: the name of an attribute or element of BPMN (`topic`, `input amount`, `condition`); `kind` and `name` are
            those of the element, `inside` is the sub-process that contains it.
    """

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class ElementChange:
    """An element that was added, removed or changed.

    Attributes:
        kind: the name of its BPMN element, such as `serviceTask`.
        facts: what differs; all facts of an element that was added or removed.
    """

    change: Kind
    id: str
    kind: str
    name: str
    facts: tuple[Difference, ...]

    def fact(self, name: str) -> Difference | None:
        """The difference in one fact; None if it doesn't differ."""
        return next((fact for fact in self.facts if fact.name == name), None)


class _Element(NamedTuple):
    kind: str
    name: str
    facts: Facts


def compare(old: Diagram | None, new: Diagram) -> list[ElementChange]:
    """What differs between two versions of a process: in the order of the new one, then what was removed.

    The layout, lanes, and what the file has beside the process are not compared; see :func:`other_parts`.

    Args:
        old: None: the process is new.
    """
    before, after = ({} if old is None else _elements(old)), _elements(new)
    if old is not None and old.key != new.key:
        raise ValueError(f"{old.key!r} and {new.key!r} are different processes")
    found = []
    for id_, element in after.items():
        if id_ not in before:
            found.append(_whole("added", id_, element))
        elif facts := tuple(_differences(before[id_], element)):
            found.append(ElementChange("changed", id_, element.kind, element.name, facts))
    return found + [_whole("removed", id_, element) for id_, element in before.items() if id_ not in after]


def other_parts(old: Diagram, new: Diagram) -> list[str]:
    """Which parts of the files differ that :func:`compare` doesn't read: `layout`, `lanes`, `collaboration` and so on.

    `process x` is another process of the file, `definitions` the attributes of the root element. It is empty if only
    white space, comments, ids that nothing refers to, or the order of elements differ.
    """
    before, after = _parts(old), _parts(new)
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _whole(change: Literal["added", "removed"], id_: str, element: _Element) -> ElementChange:
    facts = [(name, text) for name, text in element.facts.items() if name != _ORDER]
    is_new = change == "added"
    sides = [Difference(name, None if is_new else text, text if is_new else None) for name, text in facts]
    return ElementChange(change, id_, element.kind, element.name, tuple(sides))


def _differences(old: _Element, new: _Element) -> Iterator[Difference]:
    if old.kind != new.kind:
        yield Difference("kind", old.kind, new.kind)
    if old.name != new.name:
        yield Difference("name", old.name, new.name)
    for name in old.facts | new.facts:
        before, after = old.facts.get(name), new.facts.get(name)
        if before == after:
            continue
        # A flow that was added, removed or led elsewhere is a change of its own.
        if name != _ORDER or sorted((before or "").split()) == sorted((after or "").split()):
            yield Difference(name, before, after)


def _elements(diagram: Diagram) -> dict[str, _Element]:
    declared = declared_elements(diagram.root.xml.getroottree().getroot())
    found: dict[str, _Element] = {}
    for node in (diagram.root, *diagram.nodes):
        facts = facts_of(node.xml, declared, without=_INSIDE) | _place_of(node)
        found[_unique(node.id or node.kind, found)] = _Element(node.kind, _line(node.name), facts)
    for scope in (diagram.root, *diagram.nodes):
        for child in scope.xml if scope.kind in SCOPES else ():
            kind = str(child.tag).removeprefix(BPMN)
            if kind in _BESIDE:
                facts = facts_of(child, declared, without=_INSIDE)
                ends = f"{child.get('sourceRef', '')}→{child.get('targetRef', '')}"
                id_ = child.get("id") or (ends if len(ends) > 1 else kind)
                found[_unique(id_, found)] = _Element(kind, _line(child.get("name", "")), facts)
    return found


def _place_of(node: Node) -> Facts:
    """What of a node isn't said by its own XML."""
    if node.scope is None:
        # Camunda doesn't read the attributes of Operaton's namespace.
        names = {str(item) for element in node.xml.iter() for item in (element.tag, *element.attrib)}
        used = [space for space in ENGINES if any(name.startswith(space) for name in names)]
        return {"namespace": ", ".join(space.strip("{}") for space in used)} if used else {}
    facts = {} if node.scope.scope is None else {"inside": node.scope.id}
    if node.kind == "exclusiveGateway" and len(node.ways) > 1:
        facts[_ORDER] = " ".join(way.id or f"→{way.target.id}" for way in node.ways)
    return facts


def _unique(id_: str, found: dict[str, _Element]) -> str:
    number, unique = 1, id_
    while unique in found:
        number += 1
        unique = f"{id_} #{number}"
    return unique


def _parts(diagram: Diagram) -> dict[str, list[object]]:
    """The parts of a file by their names, without the elements of the process."""
    process = diagram.root.xml
    root = process.getroottree().getroot()
    parts: dict[str, list[object]] = {"definitions": [sorted(root.attrib.items())]}
    for child in root:
        name = etree.QName(child).localname
        if child is process:
            for lanes in child.findall(f"{BPMN}laneSet"):
                parts.setdefault(_PARTS["laneSet"], []).append(_content(lanes))
        elif name == "process":
            parts.setdefault(f"process {child.get('id', '')}", []).append(_content(child))
        else:
            parts.setdefault(_PARTS.get(name, name), []).append(_content(child))
    return parts


def _content(element: etree._Element) -> object:
    text = (element.text or "").strip()
    return str(element.tag), sorted(element.attrib.items()), text, [_content(child) for child in element]


def _line(text: str) -> str:
    """A name as one line: modelers break long names."""
    return " ".join(text.split())
