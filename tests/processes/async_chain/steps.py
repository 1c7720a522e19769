"""An asynchronous continuation between two steps, and no response step."""

from __future__ import annotations

from typing import Any

from camunda_bridge import define_process

process = define_process("async-chain")


@process.step("first", order=1)
def first(given: dict[str, Any]) -> dict[str, Any]:
    """Return the variable `one`."""
    return {"one": 1}


@process.step("second", order=2)
def second(given: dict[str, Any]) -> dict[str, Any]:
    """Return the variable `two`."""
    return {"two": given["one"] + 1}
