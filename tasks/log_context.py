"""What every line of a request or a task says about what it is for, bound once where the work comes in."""

from __future__ import annotations

from typing import Any

from celery.signals import task_prerun
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


@task_prerun.connect
def _begin_task(task_id: str | None = None, task: Any = None, **_: Any) -> None:
    begin(task_id=task_id, task=getattr(task, "name", None))
