"""A step whose behaviour its variables choose: end well, fail, crash, use all memory, loop, sleep."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from camunda_bridge import BusinessRuleError, StepContext, define_process

process = define_process("probe")


@process.step("work", order=1, retries=2, retry_base_s=0.2, time_limit_s=3)
def work(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Note that the attempt began, behave as the variables demand, note that it ended."""
    note_begin(given, context)
    behave(given, context)
    _note(given, f"end {context.correlation_id} {context.idempotency_key} {context.attempt}")
    trace = {"traceparent": context.traceparent} if given.get("do") == "tell-trace" else {}
    return {"worked": True, "attempt": context.attempt, **trace, **given.get("gives", {})}


@process.step("respond", order=2, outcome="ok")
def respond(given: dict[str, Any]) -> dict[str, Any]:
    """Return all variables of the process, without those that choose the behaviour."""
    return {name: value for name, value in given.items() if name not in ("notes", "do", "seconds", "until", "gives")}


@process.step("rescue", order=3, outcome="error")
def rescue(given: dict[str, Any]) -> dict[str, Any]:
    """Return the error that the boundary event caught."""
    return {"code": given["errorCode"], "message": given["errorMessage"], "details": given.get("errorDetails")}


def note_begin(given: dict[str, Any], context: StepContext) -> None:
    """Note that an attempt began."""
    _note(given, f"begin {context.correlation_id} {context.idempotency_key} {context.attempt}")


def kill_or_wait(given: dict[str, Any], context: StepContext) -> None:
    """Kill the process that runs the step, or wait, as the variables demand."""
    do = given.get("do")
    if do == "hold":
        _until(given, lambda: Path(given["until"]).exists())
    elif do == "crash" or (do == "crash-once" and context.attempt == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    elif do == "kill-worker":
        os.killpg(os.getpgrp(), signal.SIGKILL)


def behave(given: dict[str, Any], context: StepContext) -> None:
    """Do what the variables demand."""
    kill_or_wait(given, context)
    do = given.get("do", "nothing")
    if do == "sleep":
        time.sleep(given["seconds"])
    elif do == "fail":
        raise RuntimeError("told to fail")
    elif do == "fail-until" and not Path(given["until"]).exists():
        raise RuntimeError("told to fail for now")
    elif do == "fail-once" and context.attempt == 1:
        raise RuntimeError("told to fail once")
    elif do == "refuse":
        raise BusinessRuleError("CAUGHT", "told to refuse", {"why": "test"})
    elif do == "refuse-uncaught":
        raise BusinessRuleError("NOBODY_CATCHES_THIS", "told to refuse")
    elif do == "eat-memory":
        _ = bytearray(1 << 40)
    elif do == "spin":
        while True:
            time.sleep(0.01)
    elif do == "hang":
        # One call of C code, in which no exception is raised.
        time.sleep(given.get("seconds", 600))


def _until(given: dict[str, Any], is_true: Any) -> None:
    deadline = time.monotonic() + given.get("seconds", 60)
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.02)


def _note(given: dict[str, Any], line: str) -> None:
    """Append a line to the test's file, with one write, so that lines of several processes do not mix."""
    if "notes" in given:
        with Path(given["notes"]).open("a") as notes:
            notes.write(line + "\n")
