"""Finds out which variables exist when a node is reached, by a data-flow analysis of the diagram.

The analysis computes two results for every node, each as a fixed point over the graph. *Before* follows the flow: the
variables that are set on every path to the node. *After* goes against the flow: the variables that are set on every
path from the node to the end of its scope; the result of a sub-process or called process is what *after* has at its
start. Where paths join, only variables of all paths are certain. A parallel gateway is different: it waits for all
paths, so that the variables of each are certain. After an error event, the variables of the interrupted step are
missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from camunda_bridge.bpmn import BPMN, Diagram, Node
from camunda_bridge.check.knowledge import ANYTHING, NOTHING, Known, all_of, of_start, of_step, one_of
from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.steps import ERROR_VARIABLES, StepDefinition

#: finds a process and its diagram by the key of the process; None for a process that isn't in this installation
Find = Callable[[str], tuple[ProcessDefinition, Diagram] | None]

_SET_VARIABLE = re.compile(r"""setVariable(?:Local)?\s*\(\s*["']([^"']+)["']""")


class DataFlow:
    """The data flow of one process.

    Args:
        process: its schemas and steps.
        shared: the steps of workers, by topic.
        diagram: the BPMN file.
        find: finds the other processes, for the variables that a call activity returns.
        calling: keys of the processes that are being analysed, to stop at a loop of calls.
    """

    def __init__(
        self,
        process: ProcessDefinition,
        diagram: Diagram,
        find: Find,
        shared: Mapping[str, StepDefinition],
        calling: frozenset[str] = frozenset(),
    ) -> None:
        self._process = process
        self._shared = shared
        self._steps = {**shared, **process.steps}
        self._diagram = diagram
        self._find = find
        self._calling = calling | {process.key}
        self._gives: dict[Node, Known] = {}
        self._after: dict[Node, Known] = {}
        #: whether a token passes a node each time its scope runs, unless an error interrupts it
        self._inevitable: dict[Node, bool] = {}
        # Nodes inside a scope come before the scope itself.
        for node in reversed(diagram.nodes):
            if node.children:
                self._solve_after(node)
                self._gives[node] = _outside(node, self._of_scope(node))
        self._solve_after(diagram.root)
        self._before = self._solve_before()

    def at(self, node: Node) -> Known:
        """The variables that a node can read when it is reached, including its own input mappings."""
        return self._before[node].and_also(Known.of(local_names(node)))

    def before_mappings(self, node: Node) -> Known:
        """The variables that the first input mapping of a node can read."""
        mapped = {item.get("name", "") for item in node.extensions("inputParameter")}
        return self._before[node].and_also(Known.of(local_names(node) - mapped))

    def result(self) -> Known:
        """The variables that the process sets, without those of its start."""
        return self._of_scope(self._diagram.root)

    def always_runs(self, node: Node) -> bool:
        """True when every instance passes this node, unless an error interrupts it."""
        while node.scope is not None:
            if node.is_event_subprocess or not self._is_inevitable(node, node.scope):
                return False
            node = node.scope
        return True

    def _is_inevitable(self, node: Node, scope: Node) -> bool:
        # The same fixed point with a single variable, which means that this node was passed.
        passed = {child: Known.of(["passed"]) if child is node else NOTHING for child in scope.children}
        after = _solve(scope.children, lambda child, so_far: _onwards(child, passed[child], so_far))
        return "passed" in all_of(after[start] for start in scope.starts).certain

    # -- after: against the flow of tokens

    def _solve_after(self, scope: Node) -> None:
        self._after |= _solve(scope.children, self._after_node)

    def _after_node(self, node: Node, so_far: dict[Node, Known]) -> Known:
        onwards = _onwards(node, self._given(node), so_far)
        interrupted = [so_far[event] for event in node.boundary if event.is_interrupting and not event.is_compensation]
        return one_of([onwards, *interrupted])

    def _of_scope(self, scope: Node) -> Known:
        """What a scope sets until it ends: on the paths from all of its starts, or in an interrupting sub-process."""
        normal = all_of(self._after[start] for start in scope.starts)
        instead = [
            all_of(self._after[start] for start in sub.starts)
            for sub in scope.event_subprocesses
            if any(start.is_interrupting for start in sub.starts)
        ]
        return one_of([normal, *instead])

    # -- before: with the flow of tokens

    def _solve_before(self) -> dict[Node, Known]:
        return _solve([self._diagram.root, *self._diagram.nodes], self._before_node)

    def _before_node(self, node: Node, so_far: dict[Node, Known]) -> Known:
        if node.scope is None:
            return of_start(self._process.start_schema)
        if node.attached_to is not None:
            reached = so_far[node.attached_to]
            # A compensated activity has completed, so its variables are set.
            return reached.and_also(self._given(node.attached_to)) if node.is_compensation else reached
        if not node.incoming:
            return so_far[node.scope].and_also(Known.of(local_names(node.scope)))
        ways = {source: so_far[source].and_also(self._given(source)) for source in node.incoming}
        if node.kind == "parallelGateway":
            return all_of(ways.values())
        # An inclusive gateway waits for every token that can come: also for those that come each time.
        each_time = [ways[source] for source in ways if node.kind == "inclusiveGateway" and self._comes(source)]
        return all_of([one_of(ways.values()), *each_time])

    def _comes(self, node: Node) -> bool:
        if node not in self._inevitable:
            self._inevitable[node] = node.scope is not None and self._is_inevitable(node, node.scope)
        return self._inevitable[node]

    # -- the variables that one node sets

    def _given(self, node: Node) -> Known:
        if node not in self._gives:
            self._gives[node] = _outside(node, self._own(node))
        return self._gives[node]

    def _own(self, node: Node) -> Known:
        if any(True for _ in node.extensions("executionListener")):
            return ANYTHING
        if node.topic:
            step = self._steps.get(node.topic)
            # For a topic of another process or without a handler there are other findings.
            if step is None:
                return ANYTHING
            # Only output mappings see local variables.
            return NOTHING if step.scope == "local" else of_step(step)
        if node.kind == "callActivity":
            return self._called(node)
        if node.has_event("error"):
            return _of_error(node)
        if node.kind in ("userTask", "receiveTask") or node.has_event("message", "signal", "conditional"):
            # A message, signal or user may set any variables here. An end or throw event sets none.
            return NOTHING if node.kind in ("endEvent", "intermediateThrowEvent") else ANYTHING
        return _of_engine_task(node)

    def _called(self, node: Node) -> Known:
        outs = list(node.extensions("out"))
        targets = [out.get("target", "") for out in outs if out.get("target")]
        if not any(out.get("variables") == "all" for out in outs):
            return Known.of(targets)
        key = node.called_element or ""
        found = self._find(key)
        if found is None or key in self._calling:
            return ANYTHING
        return DataFlow(*found, self._find, self._shared, self._calling).result().and_also(Known.of(targets))


def _onwards(node: Node, given: Known, so_far: dict[Node, Known]) -> Known:
    """The variables that are set from a node to the end of its scope."""
    if node.kind == "endEvent" and node.has_event("error", "terminate", "cancel"):
        # This path doesn't reach the normal end of the scope, so it must not restrict the other paths.
        return ANYTHING
    ways = [so_far[target] for target in node.outgoing if not target.is_compensation]
    if not ways:
        return given
    each_time = [so_far[target] for target in node.always_taken if not target.is_compensation]
    return given.and_also(all_of(each_time) if each_time else one_of(ways))


def _solve(nodes: Iterable[Node], compute: Callable[[Node, dict[Node, Known]], Known]) -> dict[Node, Known]:
    """Compute every node again until nothing changes. It ends, because results only shrink, from ANYTHING on."""
    everything = list(nodes)
    found = dict.fromkeys(everything, ANYTHING)
    changed = True
    while changed:
        changed = False
        for node in everything:
            now = compute(node, found)
            if now != found[node]:
                found[node] = now
                changed = True
    return found


def _outside(node: Node, inside: Known) -> Known:
    """What a node sets for the nodes behind it. `inside`: what it sets itself, in its own scope."""
    # A variable that is local to the node vanishes with it, whoever sets it.
    found = inside.without(frozenset(local_names(node))).and_also(_mapped_out(node))
    return found.perhaps() if _may_run_no_time(node) else found


def _may_run_no_time(node: Node) -> bool:
    """True for a multi-instance activity whose collection or number may be empty or 0."""
    if node.multi_instance is None:
        return False
    number = (node.multi_instance.findtext(BPMN + "loopCardinality") or "").strip()
    return not (number.isdecimal() and int(number) > 0)


def local_names(node: Node) -> set[str]:
    """The names of the variables that only this node and the nodes inside it can read."""
    names = {item.get("name", "") for item in node.extensions("inputParameter")}
    if (loop := node.multi_instance) is not None:
        names |= {"loopCounter", "nrOfInstances", "nrOfActiveInstances", "nrOfCompletedInstances"}
        names |= {str(value) for key, value in loop.attrib.items() if str(key).endswith("}elementVariable")}
    return names


def _mapped_out(node: Node) -> Known:
    return Known.of(item.get("name", "") for item in node.extensions("outputParameter"))


def _of_error(node: Node) -> Known:
    """The variables after an event that catches an error: those of the event, and the four that the worker sets."""
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
    """The variables that a task of the engine itself sets: those in the diagram, or any variables if it runs code."""
    result = node.result_variable
    if any(node.implemented_by(name) for name in ("class", "delegateExpression", "decisionRef")):
        return Known((frozenset({result}) if result else frozenset()), is_open=True)
    texts = [node.implemented_by("expression") or "", *(item.text or "" for item in node.xml.findall(BPMN + "script"))]
    names = {name for text in texts for name in _SET_VARIABLE.findall(text)}
    if result:
        names.add(result)
    # A script may set a variable only under a condition, or compute the name of a variable.
    is_open = node.kind == "scriptTask" and any("setVariable" in text for text in texts)
    return Known.of(names, is_open=is_open)
