"""A step that runs in a process of its own, and behaves as its variables demand."""

from __future__ import annotations

import os
from typing import Any

from camunda_bridge import StepContext, define_process
from tests.processes.probe.steps import behave, note_begin

process = define_process("isolated")


@process.step("work", retries=2, retry_base_s=0.2, time_limit_s=3, isolated=True, outcome="ok")
def work(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Note that the attempt began, behave as the variables demand, return the attempt and the process."""
    note_begin(given, context)
    behave(given, context)
    return {"attempt": context.attempt, "pid": os.getpid(), **given.get("gives", {})}
