"""A process whose variables choose its end: well, in a business error, with an incident, after a failure or a crash."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from camunda_bridge import BusinessRuleError, StepContext, define_process

process = define_process("metered")


@process.step("work", order=1, retries=2, retry_base_s=0.2)
def work(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Behave as the variables demand."""
    do = given.get("do")
    if do == "refuse":
        raise BusinessRuleError("CAUGHT", "told to refuse")
    if do == "refuse-uncaught":
        raise BusinessRuleError("NOBODY_CATCHES_THIS", "told to refuse")
    if do == "fail-once" and context.attempt == 1:
        raise RuntimeError("told to fail once")
    if do == "crash-once" and context.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    deadline = time.monotonic() + 60
    while do == "hold" and not Path(given["until"]).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return {"worked": True}


@process.step("respond", order=2, outcome="ok")
def respond(given: dict[str, Any]) -> dict[str, Any]:
    """Return the result."""
    return {"worked": given["worked"]}


@process.step("rescue", order=3, outcome="error")
def rescue(given: dict[str, Any]) -> dict[str, Any]:
    """Return the error that the boundary event caught."""
    return {"code": given["errorCode"], "message": given["errorMessage"]}
