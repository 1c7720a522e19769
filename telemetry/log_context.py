"""The log context: ids that every log line of a request or task carries, bound once at its beginning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery.signals import task_prerun
from kombu.asynchronous import get_event_loop
from structlog.contextvars import bind_contextvars, clear_contextvars


def begin(**names: str | None) -> None:
    """Clear the log context and bind these ids: the thread or process was used for other work before."""
    clear_contextvars()
    bind(**names)


def bind(
    *,
    correlation_id: str | None = None,
    traceability_id: str | None = None,
    process_instance_id: str | None = None,
    external_task_id: str | None = None,
    topic: str | None = None,
    request_id: str | None = None,
    task_id: str | None = None,
    task: str | None = None,
) -> None:
    """Add these ids to the log context; None leaves an id unchanged.

    `task_id` is the id of the Celery task, `external_task_id` that of the external task in the engine.
    """
    names = {
        "correlationId": correlation_id,
        "traceabilityId": traceability_id,
        "processInstanceId": process_instance_id,
        "externalTaskId": external_task_id,
        "topic": topic,
        "requestId": request_id,
        "taskId": task_id,
        "task": task,
    }
    bind_contextvars(**{name: value for name, value in names.items() if value is not None})


def bind_step(body: Mapping[str, Any]) -> None:
    """Bind the ids of a step from the body of its message, which may be of another version and lack some of them."""
    bind(
        correlation_id=body.get("businessKey"),
        process_instance_id=body.get("instanceId"),
        external_task_id=body.get("id"),
        topic=body.get("topic"),
    )


def begin_turn(request_id: str | None, name: str | None, args: Any) -> None:
    """In the parent process of a worker, bind the ids of a Celery task until the next turn of the event loop."""
    loop = get_event_loop()
    if loop is None:
        return
    begin(task_id=request_id, task=name)
    if name == "run_step":
        bind_step(args[0])
    loop.call_soon(clear_contextvars)


@task_prerun.connect
def _begin_task(task_id: str | None = None, task: Any = None, **_: Any) -> None:
    begin(task_id=task_id, task=getattr(task, "name", None))
