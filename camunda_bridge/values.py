"""The input of a step: a dict whose values are read on first use, where reading them may fail or costs a call."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, ValuesView
from typing import Any

from camunda_bridge.json_form import Presentable


class Later(Presentable):
    """A value that is not read yet.

    Args:
        shown: what stands for it until then, where values are only shown: strict JSON.
        read: gives the value, or raises what whoever uses it is to see.
    """

    __slots__ = ("read", "shown")

    def __init__(self, shown: Any, read: Callable[[], Any]) -> None:
        self.shown = shown
        self.read = read

    def json_form(self) -> Any:
        """What stands for it."""
        return self.shown

    def __repr__(self) -> str:
        return f"<not read: {str(self.shown)[:80]!r}>"


class Values(dict[str, Any]):
    """The variables of a step, by name.

    Every way to a value reads it: `values[name]`, `get`, `pop`, `items()`, `values()`, `dict(values)`, `{**values}`,
    comparing. Names, `in` and `len` read nothing, so that a value which cannot be read fails only whoever uses it.

    Raises (reading):
        VariableError: the value cannot be read; the message names the variable.
        BridgeError: it has to be fetched, and the engine does not give it now.
    """

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if isinstance(value, Later):
            value = value.read()
            self[name] = value
        return value

    # With dict's own iterator, dict() and ** would copy what is stored without asking __getitem__.
    def __iter__(self) -> Iterator[str]:
        return super().__iter__()

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or `default` where there is none."""
        if name not in self:
            return default
        return self[name]

    def setdefault(self, name: str, default: Any = None) -> Any:
        """The value; `default` becomes it where there is none."""
        if name not in self:
            self[name] = default
        return self[name]

    def pop(self, name: str, *default: Any) -> Any:
        """Take a value out."""
        if name in self:
            value = self[name]
            del self[name]
            return value
        return super().pop(name, *default)

    def popitem(self) -> tuple[str, Any]:
        """Take the last value out."""
        name = next(reversed(self), None)
        return (name, self.pop(name)) if name is not None else super().popitem()

    def values(self) -> Any:
        """All values, each read."""
        return ValuesView(self)

    def items(self) -> Any:
        """All names and values, each read."""
        return ItemsView(self)

    def copy(self) -> Values:
        """A copy; reads nothing."""
        found = Values()
        for name, value in dict.items(self):
            found[name] = value
        return found

    __copy__ = copy

    def __or__(self, other: Any) -> Any:
        return dict(self) | other

    def __ror__(self, other: Any) -> Any:
        return other | dict(self)

    def __eq__(self, other: object) -> bool:
        return dict(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None
