"""Which variables are there when a node is reached: a data-flow analysis of the diagram.

Two questions are answered for every node, each by the usual fixed point over the graph. *Before* goes with the flow:
what was given on every way that leads here. *After* goes against it: what will have been given on every way from here
to the end of the scope; a sub-process or a called process gives what its start has after it. Where ways meet, only what
all of them gave is certain, except at a parallel gateway, which waits for all of them. What a step gives that an error
event interrupts is not there behind that event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from camunda_bridge.bpmn import BPMN
from camunda_bridge.check.diagram import Diagram, Node
from camunda_bridge.check.knowledge import ANYTHING, NOTHING, Known, all_of, of_start, of_step, one_of
from camunda_bridge.definition import ERROR_VARIABLES, ProcessDefinition

#: finds a process by its key, with its diagram; None for one that is not in this installation
Find = Callable[[str], tuple[ProcessDefinition, Diagram] | None]

_SET_VARIABLE = re.compile(r"""setVariable(?:Local)?\s*\(\s*["']([^"']+)["']""")


class DataFlow:
    """The data flow of one process.

    Args:
        process: its steps and schemas.
        diagram: its BPMN file.
        find: the other processes, for what a call activity brings back.
    """

    def __init__(
        self, process: ProcessDefinition, diagram: Diagram, find: Find, calling: frozenset[str] = frozenset()
    ) -> None:
        self._process = process
        self._diagram = diagram
        self._find = find
        self._calling = calling | {process.key}
        self._gives: dict[Node, Known] = {}
        self._after: dict[Node, Known] = {}
        # A node inside a scope is asked before the scope itself.
        for node in reversed(diagram.nodes):
            if node.children:
                self._solve_after(node)
                self._gives[node] = self._of_scope(node)
        self._solve_after(diagram.root)
        self._before = self._solve_before()

    def at(self, node: Node) -> Known:
        """What a node can read when it is reached, its own input mappings too."""
        return self._before[node].and_also(_local(node))

    def result(self) -> Known:
        """What the whole process gives, beside what it was started with."""
        return self._of_scope(self._diagram.root)

    def always_runs(self, node: Node) -> bool:
        """True when every instance that no error interrupts passes this node."""
        while node.scope is not None:
            if node.is_event_subprocess or not self._is_inevitable(node, node.scope):
                return False
            node = node.scope
        return True

    def _is_inevitable(self, node: Node, scope: Node) -> bool:
        # The same fixed point, with one thing to give: having passed this node.
        passed = {child: Known.of(["passed"]) if child is node else NOTHING for child in scope.children}
        after = _solve(scope.children, lambda child, so_far: _onwards(child, passed[child], so_far))
        return "passed" in all_of(after[start] for start in scope.starts).certain

    # -- after: against the flow

    def _solve_after(self, scope: Node) -> None:
        self._after |= _solve(scope.children, self._after_node)

    def _after_node(self, node: Node, so_far: dict[Node, Known]) -> Known:
        onwards = _onwards(node, self._given(node), so_far)
        interrupted = [so_far[event] for event in node.boundary if event.is_interrupting and not event.is_compensation]
        return one_of([onwards, *interrupted])

    def _of_scope(self, scope: Node) -> Known:
        """What a scope gives once it has ended: each of its starts has gone its way, or an event took its place."""
        normal = all_of(self._after[start] for start in scope.starts)
        instead = [
            all_of(self._after[start] for start in sub.starts)
            for sub in scope.event_subprocesses
            if any(start.is_interrupting for start in sub.starts)
        ]
        found = one_of([normal, *instead])
        return found if scope.kind == "process" else found.and_also(_mapped_out(scope))

    # -- before: with the flow

    def _solve_before(self) -> dict[Node, Known]:
        return _solve([self._diagram.root, *self._diagram.nodes], self._before_node)

    def _before_node(self, node: Node, so_far: dict[Node, Known]) -> Known:
        if node.scope is None:
            return of_start(self._process.start_schema)
        if node.attached_to is not None:
            reached = so_far[node.attached_to]
            # What is to be undone had been done.
            return reached.and_also(self._given(node.attached_to)) if node.is_compensation else reached
        if not node.incoming:
            return so_far[node.scope].and_also(_local(node.scope))
        ways = [so_far[source].and_also(self._given(source)) for source in node.incoming]
        return all_of(ways) if node.kind == "parallelGateway" else one_of(ways)

    # -- what one node gives

    def _given(self, node: Node) -> Known:
        if node not in self._gives:
            self._gives[node] = self._own(node).and_also(_mapped_out(node))
        return self._gives[node]

    def _own(self, node: Node) -> Known:
        if any(True for _ in node.extensions("executionListener")):
            return ANYTHING
        if node.topic:
            step = self._process.steps.get(node.topic)
            # A step of another process, or of nobody: that is another finding.
            return ANYTHING if step is None else of_step(step)
        if node.kind == "callActivity":
            return self._called(node)
        if node.has_event("error"):
            return _of_error(node)
        if node.kind in ("userTask", "receiveTask") or node.has_event("message", "signal", "conditional"):
            # Whoever ends it may bring variables; an end or throw event brings none.
            return NOTHING if node.kind in ("endEvent", "intermediateThrowEvent") else ANYTHING
        return _of_engine_task(node)

    def _called(self, node: Node) -> Known:
        outs = list(node.extensions("out"))
        targets = [out.get("target", "") for out in outs if out.get("target")]
        if not any(out.get("variables") == "all" for out in outs):
            return Known.of(targets)
        key = node.xml.get("calledElement", "")
        found = self._find(key)
        if found is None or key in self._calling:
            return ANYTHING
        return DataFlow(*found, self._find, self._calling).result().and_also(Known.of(targets))


def _onwards(node: Node, given: Known, so_far: dict[Node, Known]) -> Known:
    """What is given from a node on along its flows."""
    if node.kind == "endEvent" and node.has_event("error", "terminate", "cancel"):
        # This way does not come to the good end of the scope, so it takes nothing from the others.
        return ANYTHING
    ways = [so_far[target] for target in node.outgoing if not target.is_compensation]
    if not ways:
        return given
    return given.and_also(all_of(ways) if node.forks else one_of(ways))


def _solve(nodes: Iterable[Node], look: Callable[[Node, dict[Node, Known]], Known]) -> dict[Node, Known]:
    """Look at every node until nothing changes. Knowledge only shrinks from ANYTHING, so that it ends."""
    everything = list(nodes)
    found = dict.fromkeys(everything, ANYTHING)
    changed = True
    while changed:
        changed = False
        for node in everything:
            now = look(node, found)
            if now != found[node]:
                found[node] = now
                changed = True
    return found


def _local(node: Node) -> Known:
    """Variables that only this node, and what is inside it, can read."""
    names = {item.get("name", "") for item in node.extensions("inputParameter")}
    if (loop := node.multi_instance) is not None:
        names |= {"loopCounter", "nrOfInstances", "nrOfActiveInstances", "nrOfCompletedInstances"}
        names |= {value for key, value in loop.attrib.items() if key.endswith("}elementVariable")}
    return Known.of(names)


def _mapped_out(node: Node) -> Known:
    return Known.of(item.get("name", "") for item in node.extensions("outputParameter"))


def _of_error(node: Node) -> Known:
    """What an event that catches an error leaves: the engine its own variables, the failed step the worker's four."""
    if node.kind == "endEvent":
        return NOTHING
    names = set(ERROR_VARIABLES)
    for definition in node.xml.findall(BPMN + "errorEventDefinition"):
        names |= {
            value
            for key, value in definition.attrib.items()
            if key.endswith(("}errorCodeVariable", "}errorMessageVariable"))
        }
    return Known.of(names)


def _of_engine_task(node: Node) -> Known:
    """What a task gives that the engine runs itself: what it says, or anything where it is a program."""
    if node.attribute("class") or node.attribute("delegateExpression") or node.attribute("decisionRef"):
        result = node.attribute("resultVariable")
        return Known((frozenset({result}) if result else frozenset()), is_open=True)
    texts = [node.attribute("expression") or "", *(item.text or "" for item in node.xml.findall(BPMN + "script"))]
    names = {name for text in texts for name in _SET_VARIABLE.findall(text)}
    if result := node.attribute("resultVariable"):
        names.add(result)
    # A script may set a variable behind a condition, or one whose name it computes.
    is_open = node.kind == "scriptTask" and any("setVariable" in text for text in texts)
    return Known.of(names, is_open=is_open)
