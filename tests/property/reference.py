"""The reference: how a drawn process must end, by BPMN and the documentation. It shares no code with the product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.property import diagram as d

Then = Callable[[], Any]


class Ending(NamedTuple):
    """An end that a process may have.

    Attributes:
        document: the result or the error, if it is known in full.
        codes: the codes that the error may have.
    """

    status: str
    document: dict[str, Any] | None = None
    codes: frozenset[str] = frozenset()


@dataclass(eq=False)
class Node:
    """A running part: a process or sub-process (`what` is its scope), an event sub-process, an activity, or a task."""

    parent: Any  # a Node; None only for the root
    what: Any
    done: Then
    variables: Any = None  # only of a process
    turn: int | None = None
    tokens: int = 1
    state: str = "new"  # of a task: new, tried, stuck; of any node: ended
    era: int = 0  # nodes that began in an earlier one have ended

    def __post_init__(self) -> None:
        self.began = self.parent.era if self.parent else 0
        if self.parent and self.turn is None and self.variables is None:
            self.turn = self.parent.turn

    @property
    def alive(self) -> bool:
        return self.state != "ended" and (not self.parent or (self.parent.alive and self.parent.era == self.began))

    def process(self) -> Node:
        return self if self.variables is not None else self.parent.process()

    def hand_out(self) -> None:
        if self.variables is not None and self.parent and self.parent.what.variables:
            self.parent.process().variables.update(self.variables)

    def catcher(self, code: str) -> tuple[Node, Any] | None:
        """The innermost event that catches an error of this node.

        In one scope, event sub-processes come before the boundary around it, and the exact code before any code. An
        event sub-process does not catch its own errors, but those of a process that it calls.
        """
        came, here = None, self
        while here is not None:
            events = [*getattr(here.what, "handlers", ()), *getattr(here.what, "boundaries", ())]
            for event in sorted(events, key=lambda event: event.code is None):
                if event.code in (code, None) and (event is not came or here.process() is not self.process()):
                    return here, event
            came, here = here.what, here.parent
        return None


class Interpreter:
    """Interprets one run, from the order in which handlers were called.

    Args:
        choices: the task of each call that may have been for one of several tasks.
    """

    def __init__(self, diagram: d.Diagram, choices: Sequence[int] = ()) -> None:
        self.diagram, self.choices = diagram, choices
        self.taken: list[tuple[int, int]] = []  # each choice, and the number of tasks that it was made from
        self.tasks: list[Node] = []
        self.uncaught: list[str] = []
        self.decided: Ending | None = None
        self.root = Node(None, diagram.main, lambda: None, {})
        self.scope(self.root)

    def call(self, step_id: str, turn: int | None) -> None:
        """Interpret the call of a handler. The error or the end of another part may have cancelled its task since.

        Raises:
            LookupError: the handler must not be called now.
        """
        mine = [it for it in self.tasks if it.what.id == step_id and it.turn == turn and it.state != "stuck"]
        options = [task for task in mine if task.alive] + [task for task in mine if not task.alive][:1]
        choice = next(iter(self.choices[len(self.taken) :]), 0)
        self.taken.append((choice, len(options)))
        self.tasks.remove(options[choice])
        if options[choice].alive:
            self.handle(options[choice])

    def ending(self) -> Ending:
        """The end of the process, or the reason why it does not end."""
        left = [task for task in self.tasks if task.alive]
        if any(task.state != "stuck" for task in left):
            raise LookupError(f"of {[task.what.id for task in left]} not all were called")
        standing = Ending("incident" if left else "waiting") if self.root.alive else None
        bad = Ending("error", codes=frozenset(self.uncaught)) if self.uncaught else None
        return self.decided or standing or bad or Ending("ok", self.root.variables)

    def scope(self, node: Node) -> None:
        self.sequence(node.what.items, node, lambda: self.end(node.what.end, node))

    def sequence(self, items: Sequence[d.Element], where: Node, then: Then) -> None:
        item, on = next(iter(items), None), lambda: self.sequence(items[1:], where, then)
        if item is None:
            then()
        elif isinstance(item, d.Exclusive):
            self.sequence(item.branches[item.taken], where, on)
        elif isinstance(item, d.Parallel):
            # A token that ends inside never reaches the join. If all tokens end inside, the block ends with them.
            block = Node(where, item, lambda: self.token_ends(where), tokens=len(item.branches))
            join = last_of(len(item.branches), lambda: self.close(block, on))
            for branch in item.branches:
                self.sequence(branch, block, join)
        else:
            body = Node(where, item, on)
            if item.turns is None or not item.turns.parallel or not item.turns.count:
                self.next_turn(body, 0)
            else:
                leave = last_of(item.turns.count, lambda: self.close(body))
                for number in range(item.turns.count):
                    self.turn(body, number, leave)

    def next_turn(self, body: Node, number: int) -> None:
        if number == (body.what.turns.count if body.what.turns else 1):
            self.close(body)
        else:
            self.turn(body, number if body.what.turns else None, lambda: self.next_turn(body, number + 1))

    def turn(self, body: Node, number: int | None, then: Then) -> None:
        if isinstance(body.what, d.Step):
            self.tasks.append(Node(body, body.what, then, turn=number))
        elif isinstance(body.what, d.Sub):
            self.scope(Node(body, body.what.scope, then, turn=number))
        else:
            given = dict(body.process().variables) if body.what.variables else {}
            self.scope(Node(body, self.diagram.called[body.what.called], then, given))

    def end(self, end: d.End | d.Fork, where: Node) -> None:
        if isinstance(end, d.Fork):
            where.tokens = len(end.branches)
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

    def close(self, node: Node, then: Then | None = None) -> None:
        node.hand_out()
        node.state = "ended"
        (then or node.done)()

    def handle(self, task: Node) -> None:
        step, body, variables = task.what, task.parent, task.process().variables
        first, task.state = task.state == "new", "tried"
        retried, refuses = first and step.fails_first, step.in_turn in (None, task.turn)
        fails = retried or (refuses and (step.raises or step.fails))
        variables.update({} if fails else step.returns)
        if refuses and step.raises and not retried and body.catcher(step.raises):
            variables.update(step.refusal)
            self.throw(body, step.raises)
        elif step.definition and (step.definition.failed if fails or not first else step.definition.never_failed):
            # If nothing catches the error that was made of it, its token ends there.
            if not self.throw(body, step.definition.code):
                body.state = "ended"
                self.token_ends(body.parent)
        elif fails:
            task.state = "tried" if retried else "stuck"
            self.tasks.append(task)
        else:
            if step.outcome is not None and task.process() is self.root and self.decided is None:
                self.decided = Ending(step.outcome, step.returns)
            self.close(task)

    def throw(self, node: Node, code: str) -> bool:
        """Throw an error. True if an event catches it; then the process goes on there."""
        if (found := node.catcher(code)) is None:
            self.uncaught.append(code)
            return False
        owner, event = found
        while node is not owner:
            node.hand_out()
            node = node.parent
        if isinstance(event, d.Boundary):
            owner.state = "ended"
            then = (lambda: self.end(event.end, owner.parent)) if event.end else owner.done
            self.sequence(event.items, owner.parent, then)
        else:
            owner.era, owner.tokens = owner.era + 1, 1
            handler = Node(owner, event, lambda: self.token_ends(owner))
            self.scope(Node(handler, event.scope, lambda: self.close(handler)))
        return True


def last_of(count: int, then: Then) -> Then:
    """A function that calls `then` when it is called for the `count`th time."""
    calls = iter(range(1, count + 1))
    return lambda: next(calls) == count and then()
