"""The Celery task of a step: from its message to its attempt, and to the steps that follow it inline."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from tasks import app
from tasks.broker import inline
from tasks.broker.step_message import StepMessage
from tasks.errors import UnknownVersion
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


@app.task(name="run_step")
def run_step(body: dict[str, Any]) -> None:
    """Run one attempt of one external task, from its message; then the steps that follow it inline."""
    log_context.bind_step(body)
    try:
        message = StepMessage.load(body)
    except UnknownVersion as error:
        # A newer version of the system sent it: one of its workers fetches the task.
        unlock_task(runtime().engine, body, str(error))
        return
    task_id = run_step.request.id or str(uuid.uuid4())
    with inline.chain(task_id, message.task.topic) as chain:
        _run_attempt(message, uuid.UUID(task_id))
        for following in chain:
            log_context.begin(task_id=task_id, task=run_step.name)
            log_context.bind_step(following.dump())
            crash_point("inline: next step accepted, not begun")
            # Each attempt has an id of its own.
            _run_attempt(following, uuid.uuid4())


def _run_attempt(message: StepMessage, execution_id: uuid.UUID) -> None:
    found = registry.find(message.task.topic)
    if found is None:
        _unlock_unhandled(message)
        return
    attempt = Attempt(message, *found, execution_id=execution_id)
    middleware.run_through(middleware.ATTEMPT, attempt, execute_and_deliver)


def _unlock_unhandled(message: StepMessage) -> None:
    """Unlock a task without a handler here, which another version of the system has: it doesn't count as an attempt."""
    if message.confirm is not None:
        confirm_completed(message.confirm)
    # Counted without its topic: no process here declares it.
    declared.STEP_ATTEMPTS.labels("other", Result.UNHANDLED).inc()
    unlock_task(runtime().engine, message.dump(), "no handler here")
