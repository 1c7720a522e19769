"""The model of one process of a BPMN file.

Workers read the definition version that an instance runs on, because instances of older versions run beside newer ones.
"""

from __future__ import annotations

from functools import cached_property

from lxml import etree

from camunda_bridge.bpmn import continuations, error_events
from camunda_bridge.bpmn.node import Node, tree_of
from camunda_bridge.bpmn.sequence_flows import Flow, flows_of
from camunda_bridge.bpmn.xml import BPMN, ENGINES, parse_xml, start_lines
from camunda_bridge.errors import DefinitionError

#: elements by which an activity may have variables that its process instance doesn't have
_LOCAL_SCOPES = frozenset(
    {BPMN + name for name in ("subProcess", "transaction", "multiInstanceLoopCharacteristics")}
    | {engine + name for engine in ENGINES for name in ("inputParameter", "executionListener")}
)


class Diagram:
    """One process of a BPMN file: its nodes, and what workers, checks and monitor need to know of them.

    Args:
        process: the element of the process.
        content: the file.

    Attributes:
        root: the process itself, as the outermost node.
        nodes: every node of the process, in the order of the file.
    """

    def __init__(self, process: etree._Element, content: bytes | str) -> None:
        self.root = tree_of(process)
        self.nodes = list(self.root.walk())
        self._by_id = {node.id: node for node in self.nodes}
        self._codes = error_events.declared_codes(process.getroottree().getroot())
        self._content = content

    @property
    def key(self) -> str:
        """The key of the process: its id."""
        return self.root.id

    @property
    def xml(self) -> str:
        """The whole BPMN file, as text without an XML declaration."""
        return etree.tostring(self.root.xml.getroottree().getroot(), encoding="unicode")

    def node_of(self, element: etree._Element) -> Node:
        """The innermost node that an XML element is, or is in."""
        found = (self._by_element.get(it) for it in (element, *element.iterancestors()))
        return next((node for node in found if node is not None), self.root)

    @cached_property
    def _by_element(self) -> dict[etree._Element, Node]:
        return {node.xml: node for node in self.nodes}

    @cached_property
    def steps(self) -> list[Node]:
        """The external tasks, which workers run."""
        return [node for node in self.nodes if node.topic]

    @cached_property
    def topics(self) -> dict[str, str]:
        """Activity id -> topic of each external task."""
        return {node.id: node.topic or "" for node in self.steps}

    @cached_property
    def properties(self) -> dict[str, dict[str, str]]:
        """Activity id -> extension properties of each external task."""
        return {node.id: node.properties for node in self.steps}

    @cached_property
    def call_activities(self) -> list[Node]:
        """The call activities that start another process."""
        return [node for node in self.nodes if node.called_element]

    @cached_property
    def calls(self) -> set[str]:
        """The keys of the processes that the call activities start; some may be expressions."""
        return {node.called_element or "" for node in self.call_activities}

    def calling(self, key: str) -> list[str]:
        """The ids of the call activities that may start process `key`; an expression may name any process."""
        called = [(node.id, node.called_element or "") for node in self.call_activities]
        return [activity for activity, name in called if name == key or "{" in name]

    @cached_property
    def pauses_after(self) -> set[str]:
        """External tasks after which an asynchronous continuation may come before the next external task."""
        return {node.id for node in self.steps if continuations.pauses_after(node)}

    @cached_property
    def is_flat(self) -> bool:
        """True when every activity sees exactly the variables of its process instance."""
        return not any(element.tag in _LOCAL_SCOPES for element in self.root.xml.iter())

    @cached_property
    def multi_instances(self) -> set[str]:
        """The ids of the activities that run several times, once for each item of a collection."""
        return {node.id for node in self.nodes if node.multi_instance is not None}

    @cached_property
    def flows(self) -> list[Flow]:
        """The sequence flows, grouped by their sources."""
        return list(flows_of(self.root, self._by_id))

    def line(self, node: Node) -> int:
        """The line of the file on which the element of a node begins."""
        return self._lines.get(node) or node.xml.sourceline or 1

    @cached_property
    def _lines(self) -> dict[Node, int]:
        nodes = {node.xml: node for node in (self.root, *self.nodes)}
        elements = self.root.xml.getroottree().getroot().iter("*")
        placed = zip(elements, start_lines(self._content), strict=False)
        return {nodes[element]: line for element, line in placed if element in nodes}

    def node(self, element_id: str) -> Node | None:
        """The node with this id, or the process itself; None when there is none."""
        return self.root if element_id == self.root.id else self._by_id.get(element_id)

    def kind(self, activity_id: str) -> str:
        """The name of a node's BPMN element, such as `serviceTask`; empty when there is no such node."""
        node = self._by_id.get(activity_id)
        return "" if node is None else node.kind

    @cached_property
    def error_ends(self) -> dict[str, str]:
        """Error end event id -> error code that it throws."""
        thrown = {node.id: error_events.thrown_at_end(node, self._codes) for node in self.nodes}
        return {activity: code for activity, code in thrown.items() if code is not None}

    @cached_property
    def error_definitions(self) -> dict[str, list[str]]:
        """External task id -> codes of its `camunda:errorEventDefinition`s, in order.

        When the task is completed or has failed, the engine throws the first one whose expression is true.
        """
        thrown = {node.id: error_events.thrown_by_expressions(node, self._codes) for node in self.steps}
        return {activity: codes for activity, codes in thrown.items() if codes}

    @cached_property
    def _caught(self) -> dict[str, set[str | None]]:
        return {node.id: error_events.caught_around(node, self._codes) for node in self.nodes}

    def caught_codes(self, activity_id: str) -> list[str]:
        """The error codes that events of this process catch when this activity throws them; "" for any code."""
        return sorted(code or "" for code in self._caught.get(activity_id, set()))

    def catches_at(self, event: Node, code: str) -> bool:
        """True when an error event catches an error `code` that reaches it."""
        caught = error_events.codes_of(event, self._codes)
        return None in caught or code in caught

    def catches(self, activity_id: str, code: str) -> bool:
        """True when an event of this process catches an error `code` that this activity throws."""
        caught = self._caught.get(activity_id, set())
        return None in caught or code in caught


def read_diagram(content: bytes | str, key: str | None = None) -> Diagram:
    """Read one process of a BPMN file.

    Args:
        content: the file; see :func:`parse_xml`.
        key: id of the process. None: the file has exactly one process that is executable.

    Raises:
        DefinitionError: the file isn't XML, or doesn't have this process, or the process is not executable.
    """
    processes = list(parse_xml(content).iter(BPMN + "process"))
    executable = [process for process in processes if process.get("isExecutable") == "true"]
    if key is None:
        if len(executable) != 1:
            raise DefinitionError(f"the file has {len(executable)} executable processes; the key must say which one")
        return Diagram(executable[0], content)
    found = next((process for process in executable if process.get("id") == key), None)
    if found is not None:
        return Diagram(found, content)
    if any(process.get("id") == key for process in processes):
        raise DefinitionError(f'process {key!r} is not executable; set isExecutable="true", else the engine ignores it')
    others = ", ".join(repr(process.get("id", "")) for process in processes) or "none"
    raise DefinitionError(f"the file has no process {key!r}; the ids of its processes: {others}")


def process_ids(root: etree._Element) -> list[str]:
    """The ids of the executable processes of a BPMN file: what the engine makes definitions of."""
    processes = root.iter(BPMN + "process")
    return [process.get("id", "") for process in processes if process.get("isExecutable") == "true"]
