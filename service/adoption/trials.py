"""Finds values with which a process takes each of its ways, by walking through the diagram as the engine does.

Only what can be told from the diagram is walked through: external tasks, gateways with readable conditions, embedded
sub-processes, errors and their events. A trial ends before anything else; its test then checks the steps until there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

from camunda_bridge.bpmn import Node
from service.adoption.expressions import candidates, evaluate
from service.adoption.sketch import ProcessSketch, StepSketch
from service.errors import NotReadable

#: values of variables that no condition reads, by kind
_EXAMPLES: dict[str, Any] = {"String": "example", "Integer": 1, "Float": 1, "Boolean": True, "List": [], "Dict": {}}
#: combinations of values that are tried
MOST_COMBINATIONS = 256
#: elements that one trial passes; a process that passes more is in a loop
MOST_PASSED = 300
#: the code that a stub raises where an event catches every code
ANY_CODE = "REFUSED"
#: events where an instance waits for something that the tests don't send
_WAITING = frozenset({"userTask", "receiveTask", "eventBasedGateway", "intermediateCatchEvent"})


@dataclass
class Trial:
    """One way through a process.

    Attributes:
        values: the variables that conditions read, and their values.
        error: the step that raises a business error, and its code; None without one.
        steps: names of the steps that run, in order.
        passed: what it passes of the diagram: ids of flows, of events and of ends.
        status: ok, error or waiting; empty when the trial ends before something that isn't walked through.
        last: the id of the element where it ends or waits.
        is_parallel: the order of the steps isn't certain.
    """

    values: dict[str, Any]
    error: tuple[StepSketch, str] | None
    steps: list[str] = field(default_factory=list)
    passed: set[str] = field(default_factory=set)
    status: str = ""
    last: str = ""
    is_parallel: bool = False

    @property
    def is_certain(self) -> bool:
        """True when exactly these steps run. An error ends parallel branches, whatever step they have reached."""
        return bool(self.status) and not (self.is_parallel and self.error is not None)


def example_of(kind: str) -> Any:
    """A value of a kind."""
    return _EXAMPLES.get(kind, "example")


def trials(process: ProcessSketch) -> list[Trial]:
    """Trials that together pass everything that any trial passes, as few as are found easily."""
    found: list[Trial] = []
    passed: set[str] = set()
    for values in _combinations(process):
        for error in _errors(process):
            trial = _Walk(process, values, error).walk()
            if trial is not None and not trial.passed <= passed:
                passed |= trial.passed
                found.append(trial)
    return found


def _combinations(process: ProcessSketch) -> Iterator[dict[str, Any]]:
    choices: dict[str, list[Any]] = {}
    for node in process.diagram.nodes:
        for way in node.ways:
            try:
                for name, values in candidates(way.condition or ""):
                    known = choices.setdefault(name, [])
                    known += [value for value in values if value not in known]
            except NotReadable:
                continue
    for some in islice(product(*choices.values()), MOST_COMBINATIONS):
        yield dict(zip(choices, some, strict=True))


def _errors(process: ProcessSketch) -> Iterator[tuple[StepSketch, str] | None]:
    yield None
    for step in process.steps:
        yield from ((step, code or ANY_CODE) for code in step.codes)


class _Walk:
    def __init__(self, process: ProcessSketch, values: dict[str, Any], error: tuple[StepSketch, str] | None) -> None:
        self._process = process
        self._trial = Trial(values, error)
        self._known = {name: values.get(name, example_of(kind)) for name, kind in process.start.items()}
        self._ready: list[Node] = []
        self._arrived: Counter[Node] = Counter()
        self._inside: Counter[Node] = Counter()
        self._waits: list[str] = []

    def walk(self) -> Trial | None:
        """The trial; None when it doesn't end, or when its error doesn't happen."""
        trial = self._trial
        root = self._process.diagram.root
        try:
            starts = [node for node in root.starts if node.kind == "startEvent"]
            self._enter([node for node in starts if not node.has_event("message", "timer", "signal", "conditional")])
            for _ in range(MOST_PASSED):
                if not self._ready:
                    break
                self._pass(self._ready.pop(0))
            else:
                return None
            trial.status = trial.status or ("waiting" if self._waits else "ok")
            if self._waits:
                trial.last = self._waits[0]
        except NotReadable:
            trial.status = ""
            if not trial.steps:
                return None
        if trial.error is not None and f"error:{trial.error[0].name}:{trial.error[1]}" not in trial.passed:
            return None
        return trial

    def _enter(self, nodes: list[Node]) -> None:
        for node in nodes:
            self._ready.append(node)
            if node.scope is not None:
                self._inside[node.scope] += 1

    def _pass(self, node: Node) -> None:
        if node.multi_instance is not None or any(True for _ in node.extensions("executionListener")):
            raise NotReadable(node.id)
        if node.topic:
            self._work(node)
        elif node.kind == "parallelGateway":
            self._arrived[node] += 1
            if self._arrived[node] < len(node.incoming):
                self._consume(node)
                return
            self._arrived[node] = 0
            # The tokens that came before have been consumed.
            self._leave(node, node.outgoing)
            self._trial.is_parallel |= len(node.outgoing) > 1
        elif node.kind == "exclusiveGateway":
            self._leave(node, [self._chosen(node)])
        elif node.is_subprocess and not node.event_subprocesses:
            self._enter([inner for inner in node.starts if inner.kind == "startEvent"])
        elif node.kind == "endEvent":
            self._end(node)
        elif node.kind in _WAITING and not node.has_event("link"):
            self._waits.append(node.id)
        elif node.kind in ("startEvent", "task", "manualTask") or (
            node.kind in ("intermediateThrowEvent", "intermediateCatchEvent") and not _does_more(node)
        ):
            self._leave(node, self._onwards(node))
        else:
            raise NotReadable(node.id)

    def _work(self, node: Node) -> None:
        step = self._process.step_at(node)
        if step is None:
            raise NotReadable(node.id)
        self._trial.steps.append(step.name)
        if self._trial.error is not None and self._trial.error[0] is step:
            self._trial.passed.add(f"error:{step.name}:{self._trial.error[1]}")
            self._throw(node, self._trial.error[1])
            return
        self._known |= {name: self._trial.values.get(name, example_of(kind)) for name, kind in step.outputs.items()}
        if node.id in self._process.diagram.error_definitions:
            raise NotReadable(node.id)
        if node.kind == "endEvent":
            self._end(node)
        else:
            self._leave(node, self._onwards(node))

    def _onwards(self, node: Node) -> list[Node]:
        if any(way.condition is not None for way in node.ways):
            taken = [way.target for way in node.ways if not way.is_default and self._is_true(way.condition)]
            return taken or [way.target for way in node.ways if way.is_default]
        return [target for target in node.outgoing if not target.is_compensation]

    def _chosen(self, node: Node) -> Node:
        for way in node.ways:
            if not way.is_default and self._is_true(way.condition):
                return way.target
        for way in node.ways:
            if way.is_default:
                return way.target
        raise NotReadable(node.id)

    def _is_true(self, condition: str | None) -> bool:
        return condition is None or evaluate(condition, self._known)

    def _leave(self, node: Node, targets: list[Node]) -> None:
        self._trial.passed |= {way.id for way in node.ways if way.target in targets}
        if not targets:
            self._trial.last = node.id
        self._enter(targets)
        self._consume(node)

    def _consume(self, node: Node) -> None:
        scope = node.scope
        if scope is None:
            return
        self._inside[scope] -= 1
        if self._inside[scope] == 0 and scope.is_subprocess and not scope.is_event_subprocess:
            self._leave(scope, self._onwards(scope))

    def _end(self, node: Node) -> None:
        trial = self._trial
        trial.passed.add(node.id)
        trial.last = node.id
        code = self._process.diagram.error_ends.get(node.id)
        if code is not None:
            self._throw(node, code)
        elif node.has_event("terminate", "cancel", "compensate", "escalation"):
            raise NotReadable(node.id)
        else:
            self._consume(node)

    def _throw(self, node: Node, code: str) -> None:
        """Go on at the event that catches an error."""
        inner = node
        while (scope := inner.scope) is not None:
            for event in inner.boundary:
                if event.has_event("error") and self._process.diagram.catches_at(event, code):
                    self._trial.passed.add(event.id)
                    # The tokens inside the activity are gone.
                    self._ready = [token for token in self._ready if not _is_in(token, inner)]
                    if inner is not node:
                        self._inside[inner] = 0
                    self._leave(inner, self._onwards(event))
                    return
            if scope.event_subprocesses:
                raise NotReadable(node.id)
            inner = scope
        self._trial.status = "error"
        self._consume(node)


def _is_in(node: Node, scope: Node) -> bool:
    around: Node | None = node
    while around is not None:
        if around is scope:
            return True
        around = around.scope
    return False


def _does_more(node: Node) -> bool:
    return node.has_event("message", "signal", "compensate", "escalation", "timer", "conditional")
