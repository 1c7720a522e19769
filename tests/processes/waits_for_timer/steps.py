"""A timer between two steps."""

from __future__ import annotations

from typing import Any

from camunda_bridge import define_process

process = define_process("waits-for-timer")


@process.step("before", order=1)
def before(given: dict[str, Any]) -> dict[str, Any]:
    """Before the timer."""
    return {"before": True}


@process.step("after", order=2, outcome="ok")
def after(given: dict[str, Any]) -> dict[str, Any]:
    """After the timer."""
    return {"after": True}
