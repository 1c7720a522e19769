"""A job of the engine's own that fails."""

from __future__ import annotations

from typing import Any

from camunda_bridge import define_process

process = define_process("failing-job")


@process.step("before", order=1)
def before(given: dict[str, Any]) -> dict[str, Any]:
    """Before the job."""
    return {}
