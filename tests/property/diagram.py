"""A drawn diagram as plain values, from which the BPMN text, the handlers and the reference are made.

Sequences flow from left to right. The ids of all parts are unique in the whole diagram, called processes included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class End:
    """An end event; `code` is the code of the error, if its kind is error."""

    id: str
    kind: Literal["plain", "error", "terminate"] = "plain"
    code: str = ""


@dataclass(frozen=True)
class Boundary:
    """An error boundary event. Without `code` it catches all errors; without `end` its path merges behind the activity."""

    id: str
    code: str | None
    items: tuple[Element, ...]
    end: End | None


@dataclass(frozen=True)
class Handler:
    """An event sub-process that an error starts. With `code` None it catches every error."""

    id: str
    code: str | None
    scope: Scope


@dataclass(frozen=True)
class Turns:
    """A multi-instance marker."""

    count: int
    parallel: bool


@dataclass(frozen=True)
class Definition:
    """A camunda:errorEventDefinition of a step: its error, and when its expression is true.

    Attributes:
        never_failed: true as long as no attempt has failed.
        failed: true once an attempt has failed.
    """

    code: str
    never_failed: bool
    failed: bool


@dataclass(frozen=True)
class Step:
    """An external task and its handler, which returns fields, raises a code, or fails without retries.

    Attributes:
        in_turn: it raises or fails only in this turn of a multi-instance.
        fails_first: its first attempt fails.
    """

    id: str
    raises: str | None = None
    fails: bool = False
    in_turn: int | None = None
    fails_first: bool = False
    outcome: Literal["ok", "error"] | None = None
    turns: Turns | None = None
    boundaries: tuple[Boundary, ...] = ()
    definition: Definition | None = None

    @property
    def returns(self) -> dict[str, str | bool]:
        """The fields that its handler returns."""
        return {self.id: True, "last": self.id}

    @property
    def refusal(self) -> dict[str, Any]:
        """The variables that it sets if it raises its code and an event catches it."""
        error = {"errorCode": self.raises, "errorMessage": "refused", "errorType": "BusinessRuleError"}
        return {**error, "errorDetails": {}}


@dataclass(frozen=True)
class Sub:
    """An embedded sub-process."""

    id: str
    scope: Scope
    turns: Turns | None = None
    boundaries: tuple[Boundary, ...] = ()


@dataclass(frozen=True)
class Call:
    """A call activity: the variables that it passes, and whether `calledElement` is an expression."""

    id: str
    called: str
    business_key: bool = True
    variables: bool = True
    expression: bool = False
    turns: Turns | None = None
    boundaries: tuple[Boundary, ...] = ()


@dataclass(frozen=True)
class Parallel:
    """A parallel gateway whose branches are joined again."""

    id: str
    branches: tuple[tuple[Element, ...], ...]


@dataclass(frozen=True)
class Exclusive:
    """An exclusive gateway whose branch `taken` is taken; all branches are merged again."""

    id: str
    branches: tuple[tuple[Element, ...], ...]
    taken: int


@dataclass(frozen=True)
class Fork:
    """A parallel gateway at the end of a scope: each branch has an end of its own."""

    id: str
    branches: tuple[tuple[tuple[Element, ...], End], ...]


Activity = Step | Sub | Call
Element = Activity | Parallel | Exclusive


@dataclass(frozen=True)
class Scope:
    """The contents of a process, sub-process or event sub-process: a sequence, its end, and event sub-processes."""

    items: tuple[Element, ...]
    end: End | Fork
    handlers: tuple[Handler, ...] = ()


@dataclass(frozen=True)
class Diagram:
    """The process `main` and the called processes, by key."""

    main: Scope
    called: dict[str, Scope] = field(default_factory=dict)

    @property
    def processes(self) -> dict[str, Scope]:
        """All processes, `main` first."""
        return {"main": self.main, **self.called}


def parts_of(part: Any) -> Iterator[Any]:
    """A part of a diagram and all parts in it."""
    if isinstance(part, tuple):
        for one in part:
            yield from parts_of(one)
    elif part is not None:
        yield part
        for name in ("items", "end", "handlers", "scope", "branches", "boundaries"):
            yield from parts_of(getattr(part, name, None))
