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

    parent: Any  # a Node, None for the root alone
    what: Any
    done: Then
    variables: Any = None  # of a process alone
    turn: int | None = None
    tokens: int = 1
    alive: bool = True
    tried: bool = False
    stuck: bool = False
    children: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.parent is not None:
            self.parent.children.append(self)
            if self.turn is None and self.variables is None:
                self.turn = self.parent.turn

    def remove(self) -> None:
        self.alive = False
        for child in self.children[:]:
            child.remove()
        if self.parent is not None:
            self.parent.children.remove(self)

    def process(self) -> Node:
        return self if self.variables is not None else self.parent.process()


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

    def call(self, step_id: str, turn: int | None) -> None:
        """A handler was called. Its task may be gone: another's error or end took it after it was fetched."""
        mine = [task for task in self.tasks if (task.what.id, task.turn, task.stuck) == (step_id, turn, False)]
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
        return Ending("error", codes=frozenset(self.uncaught)) if self.uncaught else Ending("ok", self.root.variables)

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
            where.tokens += len(item.branches) - 1
            join = last_of(len(item.branches), lambda: self.join(where, len(item.branches) - 1, on))
            for branch in item.branches:
                self.sequence(branch, where, join)
        else:
            body = Node(where, item, on)
            if item.turns is None:
                self.turn(body, None, lambda: self.close(body))
            elif not item.turns.count or not item.turns.parallel:
                self.turns(body, 0)
            else:
                leave = last_of(item.turns.count, lambda: self.close(body))
                for number in range(item.turns.count):
                    self.turn(body, number, leave)

    def join(self, where: Node, others: int, on: Then) -> None:
        where.tokens -= others
        on()

    def turns(self, body: Node, number: int) -> None:
        if number == body.what.turns.count:
            self.close(body)
        else:
            self.turn(body, number, lambda: self.turns(body, number + 1))

    def turn(self, body: Node, number: int | None, then: Then) -> None:
        if isinstance(body.what, d.Step):
            self.tasks.append(Node(body, body.what, then, None, number))
        elif isinstance(body.what, d.Sub):
            self.scope(Node(body, body.what.scope, then, None, number))
        else:
            given = dict(body.process().variables) if body.what.variables else {}
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
        step, variables = task.what, task.process().variables
        first, task.tried = not task.tried, True
        its_turn = step.in_turn in (None, task.turn)
        if step.fails_first and first:
            self.fail(task, retries=1)
        elif step.raises and its_turn and catcher(task.parent, step.raises):
            variables.update(errorCode=step.raises, errorMessage="refused", errorDetails={})
            variables.update(errorType="BusinessRuleError")
            self.throw(task.parent, step.raises)
        elif (step.raises or step.fails) and its_turn:
            self.fail(task, retries=0)
        else:
            variables.update(step.returns)
            if step.definition and (step.definition.never_failed if first else step.definition.failed):
                self.turn_into_error(task.parent, step.definition.code)
                return
            if step.outcome is not None and task.process() is self.root and self.decided is None:
                self.decided = Ending(step.outcome, step.returns)
            self.close(task)

    def fail(self, task: Node, retries: int) -> None:
        if task.what.definition and task.what.definition.failed:
            self.turn_into_error(task.parent, task.what.definition.code)
        else:
            task.stuck = not retries
            self.tasks.append(task)

    def turn_into_error(self, body: Node, code: str) -> None:
        """A camunda:errorEventDefinition fires. Where nothing catches its error, its token ends there."""
        if not self.throw(body, code):
            body.remove()
            self.token_ends(body.parent)

    def throw(self, node: Node, code: str) -> bool:
        """True when an event catches the error, where the process then goes on."""
        if (found := catcher(node, code)) is None:
            self.uncaught.append(code)
            return False
        owner, event = found
        while node is not owner:
            hand_out(node)
            node = node.parent
        if isinstance(event, d.Boundary):
            where, end = owner.parent, event.end
            owner.remove()
            self.sequence(event.items, where, lambda: self.end(end, where) if end else owner.done())
        else:
            for child in owner.children[:]:
                child.remove()
            owner.tokens = 1
            handler = Node(owner, event, lambda: self.token_ends(owner))
            self.scope(Node(handler, event.scope, lambda: self.close(handler)))
        return True


def last_of(count: int, then: Then) -> Then:
    """To be called `count` times; calls `then` at the last."""
    calls = iter(range(1, count + 1))
    return lambda: next(calls) == count and then()


def hand_out(node: Node) -> None:
    """A called process gives its variables to its caller, where the call says so."""
    if node.variables is not None and node.parent is not None and node.parent.what.variables:
        node.parent.process().variables.update(node.variables)


def catcher(node: Node, code: str) -> tuple[Node, d.Boundary | d.Handler] | None:
    """The innermost event that catches an error of `node`; in one scope its event sub-processes come before the
    boundary around it, and the exact code before any.

    An event sub-process does not catch its own errors, but those of a process that it calls.
    """
    came, here = None, node
    while here is not None:
        for wanted in (code, None):
            for event in [*getattr(here.what, "handlers", ()), *getattr(here.what, "boundaries", ())]:
                if event.code == wanted and (event is not came or here.process() is not node.process()):
                    return here, event
        came, here = here.what, here.parent
    return None
