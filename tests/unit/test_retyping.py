"""A changed variable keeps its type where the new value fits, and is refused where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from camunda_bridge.errors import VariableError
from camunda_bridge.retyping import as_before


@pytest.mark.parametrize(
    ("kind", "value", "sent"),
    [
        (None, 7, ("Integer", 7)),
        ("Null", "a", ("String", "a")),
        ("Integer", 8, ("Integer", 8)),
        ("Short", 8, ("Short", 8)),
        ("Long", 8, ("Long", 8)),
        ("Double", 8, ("Double", 8.0)),
        ("Boolean", False, ("Boolean", False)),
        ("String", "b", ("String", "b")),
        ("String", {"a": 1}, ("Json", '{"a":1}')),
        ("Date", "2026-01-02T03:04:05Z", ("Date", "2026-01-02T03:04:05.000+0000")),
        ("Long", None, ("Null", None)),
    ],
)
def test_value_that_fits_gets_the_type(kind: str | None, value: Any, sent: tuple[str, Any]) -> None:
    before = None if kind is None else {"type": kind, "value": None}

    found = as_before("x", value, before)

    assert (found["type"], found["value"]) == sent


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("Integer", value) for value in ("7", True, 1.5, 2**31)),
        *(("Short", value) for value in (2**15, -(2**15) - 1)),
        ("Double", "1.5"),
        ("Boolean", 1),
        ("String", 7),
        ("Date", "soon"),
        ("Date", 7),
        *((kind, "x") for kind in ("Bytes", "File", "Object", "Xml")),
    ],
)
def test_value_that_does_not_fit_is_refused_with_the_name(kind: str, value: Any) -> None:
    with pytest.raises(VariableError, match=r"^x: "):
        as_before("x", value, {"type": kind, "value": None})
