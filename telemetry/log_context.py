"""What every line of a request or a task says about what it is for, bound once where the work comes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery.signals import task_prerun
from kombu.asynchronous import get_event_loop
from structlog.contextvars import bind_contextvars, clear_contextvars


def begin(**names: str | None) -> None:
    """Begin anew: threads and processes are used again, and what they did last is over."""
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
    """Say these from now on; what is None stays as it is. `task_id` is Celery's, `external_task_id` the engine's."""
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
    """Say which step an attempt is about, by its message as it came: of whatever version, as far as it says."""
    bind(
        correlation_id=body.get("businessKey"),
        process_instance_id=body.get("instanceId"),
        external_task_id=body.get("id"),
        topic=body.get("topic"),
    )


def begin_turn(request_id: str | None, name: str | None, args: Any) -> None:
    """Say whose task it is that Celery speaks of in a worker's parent, until the event loop's next turn."""
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
