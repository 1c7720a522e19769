"""Facts about the external task log (history level full), from which attempts are resolved that a crash left open."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.bpmn import boundary, external, process
from tests.contract.engine import Engine

FIELDS = {
    "activityId", "activityInstanceId", "creationLog", "deletionLog", "errorMessage", "executionId", "externalTaskId",
    "failureLog", "id", "priority", "processDefinitionId", "processDefinitionKey", "processInstanceId", "removalTime",
    "retries", "rootProcessInstanceId", "successLog", "tenantId", "timestamp", "topicName", "workerId",
}  # fmt: skip


@pytest.fixture
def task(engine: Engine) -> Any:
    """A task locked by w1, with a boundary event."""
    engine.deploy(process(engine.key, external("a"), boundary("a", external("h")), external("b")))
    engine.start("k")
    return engine.fetch_one("a")


def log(engine: Engine, task: Any) -> list[tuple[str, str | None]]:
    """Kind and worker of each entry of the task's log, oldest first."""
    entries = engine.get("/history/external-task-log", externalTaskId=task["id"])
    entries.sort(key=lambda entry: entry["timestamp"])
    kinds = ("creation", "failure", "success", "deletion")
    return [(next(kind for kind in kinds if entry[f"{kind}Log"]), entry["workerId"]) for entry in entries]


def test_an_entry_has_these_fields(engine: Engine, task: Any) -> None:
    [entry] = engine.get("/history/external-task-log", externalTaskId=task["id"])
    assert set(entry) >= FIELDS
    assert (entry["creationLog"], entry["workerId"], entry["processInstanceId"]) == (
        True,
        None,
        task["processInstanceId"],
    )


def test_fetching_and_extending_write_nothing(engine: Engine, task: Any) -> None:
    engine.post(f"/external-task/{task['id']}/extendLock", 204, workerId="w1", newDuration=60_000)
    assert log(engine, task) == [("creation", None)]


def test_a_completion_is_logged_with_the_token_that_completed(engine: Engine, task: Any) -> None:
    engine.complete(task)
    assert log(engine, task) == [("creation", None), ("success", "w1")]


def test_a_bpmn_error_is_logged_as_a_deletion_with_the_token(engine: Engine, task: Any) -> None:
    engine.bpmn_error(task, "X")
    assert log(engine, task) == [("creation", None), ("deletion", "w1")]


def test_a_deleted_instance_looks_the_same_so_only_the_activities_tell_them_apart(engine: Engine, task: Any) -> None:
    engine.call("DELETE", f"/process-instance/{task['processInstanceId']}")
    assert log(engine, task) == [("creation", None), ("deletion", "w1")]
    assert "a-failed" not in engine.activities(task["processInstanceId"])


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_log_is_filtered_by_task_worker_instance_and_kind(engine: Engine, task: Any, method: str) -> None:
    engine.complete(task)

    def found(**query: Any) -> int:
        fields = (
            {"json": query} if method == "POST" else {"params": {name: str(value) for name, value in query.items()}}
        )
        return len(engine.call(method, "/history/external-task-log", **fields).json())

    assert found(externalTaskId=task["id"]) == 2
    assert found(externalTaskId=task["id"], successLog="true") == 1
    assert found(externalTaskId=task["id"], workerId="w1") == 1
    assert found(externalTaskId=task["id"], workerId="w2") == 0
    # The created entry of the next step is the third.
    assert found(processInstanceId=task["processInstanceId"]) == 3


def test_the_log_of_an_unknown_task_is_empty(engine: Engine) -> None:
    assert engine.get("/history/external-task-log", externalTaskId="nope") == []
