"""Gives a new value of an existing variable the type that the variable has, so that expressions and forms go on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from camunda_bridge.errors import VariableError
from camunda_bridge.kinds import Typed, format_date
from camunda_bridge.variables import outgoing

#: bits of the engine's types for whole numbers
_BITS = {"Short": 16, "Integer": 32, "Long": 64}
#: types whose values have no JSON form that could be typed in
_FIXED = frozenset({"Bytes", "File", "Object", "Xml"})


def as_before(name: str, value: Any, before: Typed | None) -> Typed:
    """A JSON value as a typed variable: of the type of `before`, the variable as it is, if it has one that fits.

    Raises:
        VariableError: the engine cannot store the value, or it is not of the variable's type.
    """
    found = outgoing({name: value})[name]
    kind = None if before is None or value is None else before["type"]
    if kind in (None, "Null", found["type"]) or (kind in ("String", "Json") and found["type"] in ("String", "Json")):
        return found
    if kind in _FIXED:
        raise VariableError(f"{name}: a variable of type {kind} cannot be changed here")
    if kind in _BITS and isinstance(value, int) and not isinstance(value, bool):
        if not -(1 << _BITS[kind] - 1) <= value < 1 << _BITS[kind] - 1:
            raise VariableError(f"{name}: {value} is out of the range of {kind}, which the variable has")
        return {"type": kind, "value": value}
    if kind == "Double" and isinstance(value, int | float) and not isinstance(value, bool):
        return {"type": "Double", "value": float(value)}
    if kind == "Date" and isinstance(value, str):
        return {"type": "Date", "value": format_date(_date(name, value))}
    if kind in (*_BITS, "Double", "Boolean", "Date", "String", "Json"):
        raise VariableError(f"{name}: the variable is of type {kind}, which {value!r} is not")
    return found


def _date(name: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise VariableError(f"{name}: the variable is of type Date, so it must be a time in ISO 8601") from None
