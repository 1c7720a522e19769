"""The steps of `probe`, with so much time and so many retries that a slow or broken system does not use them up."""

from __future__ import annotations

from typing import Any

from camunda_bridge import StepContext, define_process
from tests.processes.probe import steps as probe

process = define_process("patient")


@process.step("work", order=1, retries=5, retry_base_s=0.2, time_limit_s=90)
def work(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Behave like the step of `probe`."""
    return probe.work(given, context)


@process.step("respond", order=2, outcome="ok")
def respond(given: dict[str, Any]) -> dict[str, Any]:
    """Behave like the step of `probe`."""
    return probe.respond(given)


@process.step("rescue", order=3, outcome="error")
def rescue(given: dict[str, Any]) -> dict[str, Any]:
    """Behave like the step of `probe`."""
    return probe.rescue(given)
