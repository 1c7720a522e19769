"""Every kind of end, chosen by the variable `kind`; the input alone determines the outcome."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from camunda_bridge import BusinessRuleError, StepContext, define_process

process = define_process("mixed")

#: so many retries that the kills, each of which is a failed attempt, never use them up
PATIENT: dict[str, Any] = {"retries": 30, "retry_base_s": 0.05, "time_limit_s": 60}


@process.step("work", order=1, **PATIENT)
def work(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Take some time, and fail or refuse as the variables demand."""
    note(given, context)
    if given["kind"] == "fails-once" and context.attempt == 1:
        raise RuntimeError("told to fail once")
    if given["kind"] == "refuses":
        raise BusinessRuleError("CAUGHT", f"refused {given['n']}")
    time.sleep(given.get("seconds", 0.0))
    return {"worked": given["n"] + 1}


@process.step("fail", order=2, retries=1, retry_base_s=0.1)
def fail(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Fail each time."""
    note(given, context)
    raise RuntimeError("told to fail")


@process.step("respond", order=2, outcome="ok", **PATIENT)
def respond(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Answer with a value that is in no variable."""
    return _answer(given, context)


@process.step("reject", order=2, outcome="error", **PATIENT)
def reject(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Answer with an error."""
    note(given, context)
    return {"code": f"NO_{given['n']}", "message": "told to reject"}


@process.step("respond-early", order=2, outcome="ok", **PATIENT)
def respond_early(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Answer, although a step follows."""
    return _answer(given, context)


@process.step("after", order=3, **PATIENT)
def after(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """The step that follows."""
    note(given, context)
    return {"answer": "too late"}


@process.step("respond-beside", order=2, outcome="ok", **PATIENT)
def respond_beside(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Answer, although another branch goes on."""
    return _answer(given, context)


@process.step("beside", order=2, **PATIENT)
def beside(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """The step of the other branch."""
    note(given, context)
    time.sleep(0.4)
    return {"answer": "from beside"}


@process.step("respond-caller", order=3, outcome="ok", **PATIENT)
def respond_caller(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Answer after a call."""
    return _answer(given, context)


def note(given: dict[str, Any], context: StepContext) -> None:
    """Append an effect to the file, with one write, which a kill cannot interrupt."""
    line = f"{context.correlation_id} {context.step} {context.idempotency_key}\n"
    file = os.open(Path(given["notes"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def _answer(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
    note(given, context)
    return {"answer": given["n"] * 7, "of": context.step}
