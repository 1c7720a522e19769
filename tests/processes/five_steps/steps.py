"""Five steps that do nothing, unless the variables make one of them kill its process or wait."""

from __future__ import annotations

from typing import Any

from camunda_bridge import StepContext, define_process
from tests.processes.probe import steps as probe

process = define_process("five-steps")


def nothing(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Do nothing, except in the step that `at` names."""
    if given.get("at") == context.step:
        probe.note_begin(given, context)
        probe.kill_or_wait(given, context)
    return {}


for _number in range(1, 5):
    process.step(f"s{_number}", order=_number, retry_base_s=0.2)(nothing)


@process.step("s5", order=5, outcome="ok")
def last(given: dict[str, Any]) -> dict[str, Any]:
    """Return the result."""
    return {"done": True}
