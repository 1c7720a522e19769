"""Five steps that do nothing."""

from __future__ import annotations

from typing import Any

from camunda_bridge import define_process

process = define_process("five-steps")


def nothing(given: dict[str, Any]) -> dict[str, Any]:
    """Nothing."""
    return {}


for _number in range(1, 5):
    process.step(f"s{_number}", order=_number)(nothing)


@process.step("s5", order=5, outcome="ok")
def last(given: dict[str, Any]) -> dict[str, Any]:
    """The result."""
    return {"done": True}
