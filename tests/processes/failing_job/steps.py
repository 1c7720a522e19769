"""A job of the engine itself that fails."""

from __future__ import annotations

from typing import Any

from camunda_bridge import define_process

process = define_process("failing-job")


@process.step("before", order=1)
def before(given: dict[str, Any]) -> dict[str, Any]:
    """The step before the job."""
    return {}
