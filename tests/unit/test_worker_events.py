"""The events of a worker, which are collected before they are published."""

from __future__ import annotations

from typing import Any

from tasks.worker.bootsteps import _drop_overtaken


def event(kind: str, uuid: str, **more: bool) -> dict[str, Any]:
    return {"type": kind, "uuid": uuid, **more}


def test_start_of_a_task_that_ended_in_the_same_batch_is_left_out() -> None:
    events = [
        event("task-received", "short"),
        event("task-started", "short"),
        event("task-received", "long"),
        event("task-started", "long"),
        event("task-succeeded", "short"),
        event("task-failed", "of an earlier batch"),
    ]

    _drop_overtaken(events)

    assert [(item["type"], item["uuid"]) for item in events] == [
        ("task-received", "short"),
        ("task-received", "long"),
        ("task-started", "long"),
        ("task-succeeded", "short"),
        ("task-failed", "of an earlier batch"),
    ]
