"""Strategies of hypothesis for small diagrams that the engine accepts and that shrink to readable ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.property.diagram import (
    Boundary,
    Call,
    Definition,
    Diagram,
    Element,
    End,
    Exclusive,
    Fork,
    Handler,
    Parallel,
    Scope,
    Step,
    Sub,
    Turns,
    parts_of,
)

CODES = ("A", "B")
#: most activities of the process and of each called process, without the first ones of branches
MOST, MOST_CALLED = 8, 3
#: most levels of nested sub-processes, branches and paths of boundary events
DEPTH = 3


@st.composite
def diagrams(draw: st.DrawFn) -> Diagram:
    """A process and up to two processes that it calls, directly or one through the other."""
    drawer = _Drawer(draw)
    called: dict[str, Scope] = {}
    for n in range(draw(st.sampled_from([0, 1, 1, 2]))):
        called[f"called{n + 1}"] = drawer.process(f"called{n + 1}", callable_=tuple(called))
    drawer._left = MOST
    return Diagram(drawer.scope(0, callable_=tuple(called)), called)


class _Drawer:
    """Draws part by part and gives each an id.

    Arguments of its methods describe the place of a part. `callable_`: the processes that may be called there.
    `inside`: True in a multi-instance, whose own variables must not go into a called process and out again. `joined`:
    True between a parallel gateway and its join, which every token must reach.
    """

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        #: activities that may still be drawn in this process
        self._left = 0
        self._ids: dict[str, int] = {}
        #: called processes that may throw an error, and those whose first part is a step that waits
        self._throwing: set[str] = set()
        self._waiting: set[str] = set()

    def process(self, key: str, callable_: tuple[str, ...]) -> Scope:
        """Draw a process that others call."""
        self._left = MOST_CALLED
        scope = self.scope(1, callable_)
        if may_throw(scope) or any(part.called in self._throwing for part in parts_of(scope) if isinstance(part, Call)):
            self._throwing.add(key)
        first = next(iter(scope.items), None)
        if isinstance(first, Step) and (first.turns is None or first.turns.count):
            self._waiting.add(key)
        return scope

    def scope(
        self, depth: int, callable_: tuple[str, ...], inside: bool = False, begins_with_step: bool = False
    ) -> Scope:
        """Draw the parts of a process, a sub-process, or an event sub-process."""
        items = self._items(depth, callable_, inside, begins_with_step=begins_with_step)
        end: End | Fork = self._end()
        if depth < DEPTH and self._left > 1 and self._rarely():
            end = Fork(
                self._id("fork"),
                tuple(
                    (self._items(depth + 1, callable_, inside, begins_with_step=True), self._end())
                    for _ in range(self._draw(st.integers(2, 3)))
                ),
            )
        handlers: tuple[Handler, ...] = ()
        if depth < DEPTH and self._rarely():
            first, *others = self._codes()
            # A process that is called in an event sub-process and throws into it would start it again and again. So
            # would two event sub-processes that throw into each other.
            quiet = tuple(key for key in callable_ if key not in self._throwing)
            handlers = (Handler(self._id("on"), first, self.scope(depth + 1, quiet, inside)),)
            handlers += tuple(Handler(self._id("on"), code, self._harmless()) for code in others)
        return Scope(items, end, handlers)

    def _harmless(self) -> Scope:
        self._left -= 1
        outcome: Any = self._draw(st.sampled_from([None, "ok", "error"]))
        return Scope((Step(self._id("step"), outcome=outcome),), End(self._id("end")))

    def _items(
        self,
        depth: int,
        callable_: tuple[str, ...],
        inside: bool,
        *,
        joined: bool = False,
        begins_with_step: bool = False,
    ) -> tuple[Element, ...]:
        items: list[Element] = [self._step(depth, callable_, inside, joined, waits=True)] if begins_with_step else []
        more = range(self._draw(st.integers(0, 2) if depth else st.integers(1, 4)))
        items += [self._element(depth, callable_, inside, joined) for _ in more if self._left > 0]
        return tuple(items)

    def _element(self, depth: int, callable_: tuple[str, ...], inside: bool, joined: bool) -> Element:
        kinds = ["step", "step"]
        if depth < DEPTH:
            kinds += ["sub", "sub", "parallel", "exclusive"]
        kinds += ["call"] * 4 if callable_ else []
        kind = self._draw(st.sampled_from(kinds))
        if kind == "sub":
            self._left -= 1
            turns = self._turns()
            many = inside or turns is not None
            scope = self.scope(depth + 1, callable_, many, begins_with_step=turns is not None and turns.parallel)
            return Sub(self._id("sub"), scope, turns, self._boundaries(depth, callable_, inside, joined))
        if kind == "call":
            return self._call(depth, callable_, inside, joined)
        if kind == "parallel":
            branches = tuple(
                self._items(depth + 1, callable_, inside, joined=True, begins_with_step=True)
                for _ in range(self._draw(st.integers(2, 3)))
            )
            return Parallel(self._id("parallel"), branches)
        if kind == "exclusive":
            both = tuple(self._items(depth + 1, callable_, inside, joined=joined) for _ in range(2))
            return Exclusive(self._id("exclusive"), both, self._draw(st.integers(0, 1)))
        return self._step(depth, callable_, inside, joined)

    def _step(self, depth: int, callable_: tuple[str, ...], inside: bool, joined: bool, *, waits: bool = False) -> Step:
        self._left -= 1
        does = self._draw(st.sampled_from([*["returns"] * 5, *CODES, *CODES, "fails"]))
        # With a response step the rest of the process does not decide its end.
        outcome = self._draw(st.sampled_from([*[None] * 8, "ok", "error"]))
        turns = self._turns(least=1 if waits else 0)
        definition = None
        # It is not documented what happens to a multi-instance if an error that nothing catches ends one of its turns.
        if turns is None and (self._rarely() or (outcome is not None and self._draw(st.booleans()))):
            code, holds = self._draw(st.sampled_from(CODES)), st.booleans()
            definition = Definition(code, never_failed=self._draw(holds), failed=self._draw(holds))
        return Step(
            self._id("step"),
            does if does in CODES else None,
            does == "fails",
            None if turns is None or self._rarely() else self._draw(st.integers(0, 2)),
            self._rarely(),
            outcome,  # type: ignore[arg-type]
            turns,
            self._boundaries(depth, callable_, inside, joined),
            definition,
        )

    def _call(self, depth: int, callable_: tuple[str, ...], inside: bool, joined: bool) -> Call:
        self._left -= 1
        called = self._draw(st.sampled_from(callable_))
        turns = self._turns(sequential_only=called not in self._waiting)
        yes = st.booleans()
        return Call(
            self._id("call"),
            called,
            business_key=not self._draw(yes),
            variables=not self._draw(yes) and not inside and turns is None,
            expression=self._draw(yes),
            turns=turns,
            boundaries=self._boundaries(depth, callable_, inside, joined),
        )

    def _boundaries(self, depth: int, callable_: tuple[str, ...], inside: bool, joined: bool) -> tuple[Boundary, ...]:
        if depth >= DEPTH or not self._draw(st.booleans()):
            return ()
        found = []
        for code in self._codes():
            items = self._items(depth + 1, callable_, inside, joined=joined)
            merges = joined or self._draw(st.booleans())
            found.append(Boundary(self._id("caught"), code, items, None if merges else self._end()))
        return tuple(found)

    def _codes(self) -> list[str | None]:
        one: st.SearchStrategy[str | None] = st.sampled_from([*CODES, None])
        return self._draw(st.lists(one, min_size=1, max_size=2, unique=True))

    def _end(self) -> End:
        kind = self._draw(st.sampled_from([*["plain"] * 3, *["error"] * 2, "terminate"]))
        code = self._draw(st.sampled_from(CODES)) if kind == "error" else ""
        return End(self._id("end"), kind, code)  # type: ignore[arg-type]

    def _turns(self, least: int = 0, *, sequential_only: bool = False) -> Turns | None:
        if not self._rarely():
            return None
        return Turns(self._draw(st.integers(least, 3)), not sequential_only and self._draw(st.booleans()))

    def _rarely(self) -> bool:
        return self._draw(st.integers(0, 4)) == 4

    def _id(self, kind: str) -> str:
        self._ids[kind] = self._ids.get(kind, 0) + 1
        return f"{kind}{self._ids[kind]}"


def may_throw(scope: Scope) -> bool:
    """True if a part of a scope throws an error, even if another part catches it."""
    return any(
        (isinstance(part, Step) and (part.raises is not None or part.definition is not None))
        or (isinstance(part, End) and part.kind == "error")
        for part in parts_of(scope)
    )
