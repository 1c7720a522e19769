"""A call activity that does not pass the business key."""

from __future__ import annotations

from typing import Any

from camunda_bridge import define_process

process = define_process("caller")


@process.step("before", order=1)
def before(given: dict[str, Any]) -> dict[str, Any]:
    """The step before the call."""
    return {"before": "done"}


@process.step("after", order=2, outcome="ok")
def after(given: dict[str, Any]) -> dict[str, Any]:
    """The step after the call."""
    return {"before": given["before"], "inner": given["inner"]}
