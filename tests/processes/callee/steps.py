"""A process that another one calls."""

from __future__ import annotations

from typing import Any

from camunda_bridge import define_process

process = define_process("callee")


@process.step("inner", order=1)
def inner(given: dict[str, Any]) -> dict[str, Any]:
    """The step of the called process."""
    return {"inner": "done"}
