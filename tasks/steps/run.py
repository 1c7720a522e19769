"""The Celery task of a step: from its message to its attempt, and to the steps that follow it inline."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from store.types import truncated
from tasks import app
from tasks.broker import inline
from tasks.broker.step_message import StepMessage
from tasks.errors import AttemptFailed, UnknownVersion
from tasks.fetching.next_step import confirm_completed
from tasks.fetching.unlock import unlock_task
from tasks.processes import registry
from tasks.runtime import runtime
from tasks.steps import middleware
from tasks.steps.attempt import Attempt
from tasks.steps.execution import execute_and_deliver
from tasks.steps.result import Result
from telemetry import log_context
from telemetry.crash_points import crash_point
from telemetry.metrics import declared

log = logging.getLogger(__name__)


#: longest text about an attempt that Flower gets, in characters: it keeps that of each task in memory
SHOWN_CHARACTERS = 500


@app.task(name="run_step", throws=(AttemptFailed,))
def run_step(body: dict[str, Any]) -> str:
    """Run one attempt of one external task, from its message; then the steps that follow it inline.

    Returns what the attempt came to. Flower shows it, and nothing else reads it.

    Raises:
        AttemptFailed: Celery runs the task, and its attempt failed. The failure is written and reported by then.
    """
    log_context.bind_step(body)
    try:
        message = StepMessage.load(body)
    except UnknownVersion as error:
        # A newer version of the system sent it: one of its workers fetches the task.
        unlock_task(runtime().engine, body, str(error))
        return Result.UNHANDLED
    task_id = run_step.request.id or str(uuid.uuid4())
    with inline.chain(task_id, message.task.topic) as chain:
        came_to, failure = _run_attempt(message, uuid.UUID(task_id))
        for following in chain:
            log_context.begin(task_id=task_id, task=run_step.name)
            log_context.bind_step(following.dump())
            crash_point("inline: next step accepted, not begun")
            # Each attempt has an id of its own.
            _run_attempt(following, uuid.uuid4())
    if failure is not None and not run_step.request.called_directly:
        raise AttemptFailed(truncated(failure, SHOWN_CHARACTERS))
    return came_to


def _run_attempt(message: StepMessage, execution_id: uuid.UUID) -> tuple[str, str | None]:
    """Run one attempt. Returns what it came to, and why it failed; None if it did not."""
    found = registry.find(message.task.topic)
    if found is None:
        _unlock_unhandled(message)
        return Result.UNHANDLED, None
    attempt = Attempt(message, *found, execution_id=execution_id)
    result = middleware.run_through(middleware.ATTEMPT, attempt, execute_and_deliver)
    came_to = str(result) if attempt.thrown is None else f"{result} {attempt.thrown}"
    return truncated(came_to, SHOWN_CHARACTERS), attempt.failure


def _unlock_unhandled(message: StepMessage) -> None:
    """Unlock a task without a handler here, which another version of the system has: it doesn't count as an attempt."""
    if message.confirm is not None:
        confirm_completed(message.confirm)
    # Counted without its topic: no process here declares it.
    declared.STEP_ATTEMPTS.labels("other", Result.UNHANDLED).inc()
    unlock_task(runtime().engine, message.dump(), "no handler here")
