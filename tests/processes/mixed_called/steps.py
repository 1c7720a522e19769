"""A called process with a response step of its own, which does not end its caller."""

from __future__ import annotations

from typing import Any

from camunda_bridge import StepContext, define_process
from tests.processes.mixed.steps import PATIENT, note

process = define_process("mixed-called")


@process.step("inner", order=1, outcome="ok", **PATIENT)
def inner(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Return an outcome that must not become the outcome of the caller."""
    note(given, context)
    return {"answer": "from the called process"}
