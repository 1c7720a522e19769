"""The input of a step: a dict that reads a value on first use if reading it may fail or needs a request."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, ValuesView
from typing import Any

from camunda_bridge.json_form import Presentable


class Later(Presentable):
    """A lazy value: it is read on first use.

    Args:
        shown: strict JSON that clients and events show for the unread value.
        read: returns the value, or raises the exception for the code that uses it.
    """

    __slots__ = ("read", "shown")

    def __init__(self, shown: Any, read: Callable[[], Any]) -> None:
        self.shown = shown
        self.read = read

    def json_form(self) -> Any:
        """The JSON that is shown for the unread value."""
        return self.shown

    def __repr__(self) -> str:
        return f"<not read: {str(self.shown)[:80]!r}>"


class Values(dict[str, Any]):
    """The variables of a step, by name.

    Every access to a value reads it: `values[name]`, `get`, `pop`, `items()`, `values()`, `dict(values)`, `{**values}`,
    `==`. Names, `in` and `len` read no value, so that a value which can't be read fails only the code that uses it.

    Raises (on access to a value):
        VariableError: the value can't be read; the message names the variable.
        BridgeError: the value must be fetched, and the engine doesn't send it.
    """

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if isinstance(value, Later):
            value = value.read()
            self[name] = value
        return value

    # With the iterator of dict, dict() and ** would copy the stored objects without calling __getitem__.
    def __iter__(self) -> Iterator[str]:
        return super().__iter__()

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or `default` when the name is missing."""
        if name not in self:
            return default
        return self[name]

    def setdefault(self, name: str, default: Any = None) -> Any:
        """The value; when the name is missing, `default` is stored and returned."""
        if name not in self:
            self[name] = default
        return self[name]

    def pop(self, name: str, *default: Any) -> Any:
        """Remove a name and return its value."""
        if name in self:
            value = self[name]
            del self[name]
            return value
        return super().pop(name, *default)

    def popitem(self) -> tuple[str, Any]:
        """Remove the last name and return it with its value."""
        name = next(reversed(self), None)
        return (name, self.pop(name)) if name is not None else super().popitem()

    def values(self) -> Any:
        """All values, each read."""
        return ValuesView(self)

    def items(self) -> Any:
        """All names and values, each read."""
        return ItemsView(self)

    def copy(self) -> Values:
        """A copy; reads no value."""
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
