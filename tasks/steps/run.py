"""The Celery task of a step: from its message to its attempt, and on to those that follow it in place."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from tasks import app
from tasks.broker.step_message import StepMessage, UnknownVersion
from tasks.fetching.follow import permitted
from tasks.fetching.next_step import confirm_completed
from tasks.processes import registry
from tasks.runtime import runtime
from tasks.steps import inline
from tasks.steps.attempt import Attempt
from tasks.steps.unlock import give_back
from telemetry import log_context, tracing
from telemetry.logs.redaction import values_at_hand
from telemetry.metrics import declared

log = logging.getLogger(__name__)


@app.task(name="run_step")
def run_step(body: dict[str, Any]) -> None:
    """One attempt of one external task, from its message; and of those that it leads to, where they run in place."""
    log_context.bind_step(body)
    try:
        message = StepMessage.load(body)
    except UnknownVersion as error:
        # Sent by a newer version of the system: one of its workers takes the task.
        give_back(runtime().engine, body, str(error))
        return
    task_id = run_step.request.id or str(uuid.uuid4())
    with inline.chain(task_id, message.task.topic) as chain:
        _run(message, uuid.UUID(task_id))
        for following in chain:
            log_context.begin(task_id=task_id, task=run_step.name)
            log_context.bind_step(following.dump())
            # An attempt is found by an id of its own.
            _run(following, uuid.uuid4())


def _run(message: StepMessage, execution_id: uuid.UUID) -> None:
    task = message.task
    with permitted(message):
        found = registry.find(task.topic)
        if found is None:
            # Another version of the system handles it; so does not count as an attempt what this one cannot try.
            if message.confirm is not None:
                confirm_completed(message.confirm)
            # Not by its topic: this installation has no list that it is on.
            declared.STEP_ATTEMPTS.labels("other", "unhandled").inc()
            give_back(runtime().engine, message.dump(), "no handler here")
            return
        if message.is_expired():
            log.info("message for %s came after its lock's time, the engine offers the task again", task.topic)
            declared.STEP_ATTEMPTS.labels(task.topic, "expired").inc()
            return
        _attempt(Attempt(message, *found, execution_id=execution_id))


def _attempt(attempt: Attempt) -> None:
    task = attempt.task
    log_context.bind(correlation_id=attempt.correlation_id, traceability_id=attempt.traceability_id)
    with (
        values_at_hand(attempt.values),
        tracing.span(
            f"step {task.topic}",
            parent=attempt.context.traceparent,
            kind="CONSUMER",
            attributes={
                "correlation.id": attempt.correlation_id,
                "process.instance.id": task.process_instance_id,
                "external.task.id": task.id,
                "retries": task.retries,
            },
        ),
    ):
        attempt.run()
