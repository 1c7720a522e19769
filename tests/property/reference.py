"""The reference interpreter: how a drawn process must end, by BPMN and by the rules of the documentation alone.

It is told which handler was called after which, and shares no code with the product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.property import diagram as d

Then = Callable[[], Any]


@dataclass(frozen=True)
class Ending:
    """`document` is the result or the error where it is known in full, `codes` are the codes that the error may have."""

    status: str
    document: dict[str, Any] | None = None
    codes: frozenset[str] = frozenset()


class Impossible(Exception):
    """The handlers cannot have been called in this order."""


@dataclass(eq=False)
class Node:
    """What lives: a process or sub-process (`what` is its scope), an event sub-process, an activity, a task of it."""

    parent: Node | None
    what: Any
    done: Then
    variables: dict[str, Any] | None = None  # of a process alone
    tokens: int = 1
    alive: bool = True
    stuck: bool = False
    children: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.parent is not None:
            self.parent.children.append(self)

    def remove(self) -> None:
        self.alive = False
        for child in self.children[:]:
            child.remove()
        if self.parent is not None:
            self.parent.children.remove(self)

    def process(self) -> Node:
        return self if self.variables is not None or self.parent is None else self.parent.process()


class Interpreter:
    """One run; `choices` says which of several tasks a call was for, where that is open: see `taken`."""

    def __init__(self, diagram: d.Diagram, choices: Sequence[int] = ()) -> None:
        self.diagram, self.choices = diagram, choices
        self.taken: list[tuple[int, int]] = []  # each choice that was made, and out of how many
        self.tasks: list[Node] = []
        self.uncaught: list[str] = []
        self.decided: Ending | None = None
        self.root = Node(None, diagram.main, lambda: None, {})
        self.scope(self.root)

    def call(self, step_id: str) -> None:
        """A handler was called. Its task may be gone: another's error or end took it after it was fetched."""
        mine = [task for task in self.tasks if task.what.id == step_id and not task.stuck]
        options = [task for task in mine if task.alive] + [task for task in mine if not task.alive][:1]
        if not options:
            raise Impossible(f"{step_id} was not to be called")
        place = len(self.taken)
        choice = self.choices[place] if place < len(self.choices) else 0
        self.taken.append((choice, len(options)))
        self.tasks.remove(options[choice])
        if options[choice].alive:
            self.handle(options[choice])

    def ending(self) -> Ending:
        """How it ended, or why it stands."""
        if left := [task.what.id for task in self.tasks if task.alive and not task.stuck]:
            raise Impossible(f"{left} were not called")
        if self.decided is not None:
            return self.decided
        if self.root.alive:
            return Ending("incident" if any(task.alive for task in self.tasks) else "waiting")
        if self.uncaught:
            return Ending("error", codes=frozenset(self.uncaught))
        return Ending("ok", self.root.variables)

    # -- where tokens go

    def scope(self, node: Node) -> None:
        self.sequence(node.what.items, node, lambda: self.end(node.what.end, node))

    def sequence(self, items: Sequence[d.Element], where: Node, then: Then) -> None:
        if not items:
            then()
            return
        item, on = items[0], lambda: self.sequence(items[1:], where, then)
        if isinstance(item, d.Exclusive):
            self.sequence(item.branches[item.taken], where, on)
        elif isinstance(item, d.Parallel):
            arrived: list[None] = []

            def join() -> None:
                arrived.append(None)
                if len(arrived) == len(item.branches):
                    where.tokens -= len(item.branches) - 1
                    on()

            where.tokens += len(item.branches) - 1
            for branch in item.branches:
                self.sequence(branch, where, join)
        else:
            self.activity(item, where, on)

    def activity(self, item: d.Activity, where: Node, then: Then) -> None:
        body = Node(where, item, then)
        count, parallel = (1, False) if item.turns is None else (item.turns.count, item.turns.parallel)
        ended: list[None] = []

        def turn_ends() -> None:
            ended.append(None)
            if len(ended) == count:
                self.close(body)
            elif not parallel:
                self.turn(body, turn_ends)

        if not count:
            self.close(body)
        for _ in range(count if parallel else min(count, 1)):
            self.turn(body, turn_ends)

    def turn(self, body: Node, then: Then) -> None:
        if isinstance(body.what, d.Step):
            self.tasks.append(Node(body, body.what, then))
        elif isinstance(body.what, d.Sub):
            self.scope(Node(body, body.what.scope, then))
        else:
            given = dict(body.process().variables or {}) if body.what.variables else {}
            self.scope(Node(body, self.diagram.called[body.what.called], then, given))

    def end(self, end: d.End | d.Fork, where: Node) -> None:
        if isinstance(end, d.Fork):
            where.tokens += len(end.branches) - 1
            for items, its_end in end.branches:
                self.sequence(items, where, lambda its_end=its_end: self.end(its_end, where))  # type: ignore[misc]
        elif end.kind == "terminate":
            self.close(where)
        elif end.kind == "plain" or not self.throw(where, end.code):
            self.token_ends(where)

    def token_ends(self, where: Node) -> None:
        where.tokens -= 1
        if not where.tokens:
            self.close(where)

    def close(self, node: Node) -> None:
        hand_out(node)
        node.remove()
        node.done()

    # -- what handlers and errors do

    def handle(self, task: Node) -> None:
        step, process = task.what, task.process()
        assert task.parent is not None
        assert process.variables is not None
        if step.raises is not None and catcher(task.parent, step.raises):
            process.variables.update(errorCode=step.raises, errorMessage="refused", errorDetails={})
            process.variables.update(errorType="BusinessRuleError")
            self.throw(task.parent, step.raises)
        elif step.raises is not None or step.fails:
            if step.definition is not None and "failure" in step.definition.at:
                self.turn_into_error(task.parent, step.definition.code)
            else:
                task.stuck = True
                self.tasks.append(task)
        else:
            process.variables.update(step.returns)
            if step.definition is not None and "completion" in step.definition.at:
                self.turn_into_error(task.parent, step.definition.code)
                return
            if step.outcome is not None and process is self.root and self.decided is None:
                self.decided = Ending(step.outcome, step.returns)
            self.close(task)

    def turn_into_error(self, body: Node, code: str) -> None:
        """A camunda:errorEventDefinition fires. Where nothing catches its error, its token ends there."""
        if not self.throw(body, code):
            assert body.parent is not None
            body.remove()
            self.token_ends(body.parent)

    def throw(self, node: Node, code: str) -> bool:
        """True when an event catches the error, where the process then goes on."""
        if (found := catcher(node, code)) is None:
            self.uncaught.append(code)
            return False
        owner, event = found
        while node is not owner and node.parent is not None:
            hand_out(node)
            node = node.parent
        if isinstance(event, d.Boundary):
            where, end = owner.parent, event.end
            assert where is not None
            owner.remove()
            self.sequence(event.items, where, lambda: self.end(end, where) if end else owner.done())
        else:
            for child in owner.children[:]:
                child.remove()
            owner.tokens = 1
            handler = Node(owner, event, lambda: self.token_ends(owner))
            self.scope(Node(handler, event.scope, lambda: self.close(handler)))
        return True


def hand_out(node: Node) -> None:
    """A called process gives its variables to its caller, where the call says so."""
    if node.variables is not None and node.parent is not None and node.parent.what.variables:
        caller = node.parent.process()
        caller.variables = {**(caller.variables or {}), **node.variables}


def catcher(node: Node, code: str) -> tuple[Node, d.Boundary | d.Handler] | None:
    """The innermost event that catches an error of `node`; in one scope its event sub-processes come before the
    boundary around it, and the exact code before any.

    An event sub-process does not catch its own errors, but those of a process that it calls.
    """
    came, here = None, node
    while True:
        for wanted in (code, None):
            for event in [*getattr(here.what, "handlers", ()), *getattr(here.what, "boundaries", ())]:
                if event.code == wanted and (event is not came or here.process() is not node.process()):
                    return here, event
        if here.parent is None:
            return None
        came, here = here.what, here.parent
