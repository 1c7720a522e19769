"""Facts about instances: suspending them, deleting them, and finding ended ones in history."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.bpmn import external, process
from tests.contract.engine import Engine

HISTORY = {
    "id", "businessKey", "processDefinitionId", "processDefinitionKey", "startTime", "endTime", "removalTime",
    "durationInMillis", "deleteReason", "rootProcessInstanceId", "superProcessInstanceId", "state", "tenantId",
}  # fmt: skip


@pytest.fixture
def task(engine: Engine) -> Any:
    """The locked task of an instance with one step."""
    engine.deploy(process(engine.key, external("a")))
    engine.start("k")
    return engine.fetch_one("a")


def test_tasks_of_a_suspended_instance_are_not_fetched(engine: Engine, task: Any) -> None:
    engine.post(f"/external-task/{task['id']}/unlock", 204)
    engine.put(f"/process-instance/{task['processInstanceId']}/suspended", suspended=True)
    assert engine.fetch("a") == []
    assert engine.task(task)["suspended"] is True
    assert engine.history(task["processInstanceId"])["state"] == "SUSPENDED"
    engine.put(f"/process-instance/{task['processInstanceId']}/suspended", suspended=False)
    assert engine.fetch_one("a")["id"] == task["id"]


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("complete", {}),
        ("failure", {"retries": 1}),
        ("bpmnError", {"errorCode": "X"}),
        ("extendLock", {"newDuration": 9}),
    ],
)
def test_the_owner_of_a_suspended_task_is_refused_with_400(
    engine: Engine, task: Any, call: str, body: dict[str, Any]
) -> None:
    engine.put(f"/process-instance/{task['processInstanceId']}/suspended", suspended=True)
    answer = engine.refused("POST", f"/external-task/{task['id']}/{call}", json={"workerId": "w1", **body})
    assert answer[:2] == (400, "RestException")
    assert "is suspended" in answer[2]
    engine.put(f"/process-instance/{task['processInstanceId']}/suspended", suspended=False)
    engine.complete(task)


def test_a_deleted_instance_is_gone_with_its_tasks_and_stays_in_history(engine: Engine, task: Any) -> None:
    instance = task["processInstanceId"]
    assert engine.call("DELETE", f"/process-instance/{instance}").status_code == 204
    assert engine.refused("POST", f"/external-task/{task['id']}/complete", json={"workerId": "w1"})[0] == 404
    assert engine.refused("GET", f"/process-instance/{instance}")[:2] == (404, "InvalidRequestException")
    assert engine.history(instance)["state"] == "EXTERNALLY_TERMINATED"


def test_deleting_an_ended_instance_answers_404(engine: Engine, task: Any) -> None:
    engine.complete(task)
    answer = engine.refused("DELETE", f"/process-instance/{task['processInstanceId']}")
    assert answer[:2] == (404, "InvalidRequestException")
    assert "No process instance found" in answer[2]


def test_an_instance_is_completed_in_history_once_its_last_completion_is_answered(engine: Engine, task: Any) -> None:
    assert set(engine.history(task["processInstanceId"])) >= HISTORY
    assert engine.history(task["processInstanceId"])["endTime"] is None
    engine.complete(task)
    ended = engine.history(task["processInstanceId"])
    assert (ended["state"], ended["endTime"] is None, ended["superProcessInstanceId"]) == ("COMPLETED", False, None)
    assert ended["rootProcessInstanceId"] == ended["id"]


def test_history_finds_instances_by_business_key_oldest_first(engine: Engine, task: Any) -> None:
    second = engine.start("k")
    engine.start("other")
    query = {"processInstanceBusinessKey": "k", "processDefinitionKey": engine.key}
    found = engine.get("/history/process-instance", **query, sortBy="startTime", sortOrder="asc")
    assert [instance["id"] for instance in found] == [task["processInstanceId"], second]


def test_finished_after_takes_the_engines_date_format_and_includes_the_instant(engine: Engine, task: Any) -> None:
    engine.complete(task)
    end = engine.history(task["processInstanceId"])["endTime"]
    query = {"processDefinitionKey": engine.key, "sortBy": "endTime", "sortOrder": "asc", "maxResults": 10}
    found = engine.get("/history/process-instance", finishedAfter=end, **query)
    assert [instance["id"] for instance in found] == [task["processInstanceId"]]
    later = "2999-01-01T00:00:00.000+0000"
    assert engine.get("/history/process-instance", finishedAfter=later, **query) == []
    answer = engine.refused("GET", "/history/process-instance", params={"finishedAfter": "2026-01-01T00:00:00Z"})
    assert answer[:2] == (400, "InvalidRequestException")
    assert "Cannot set query parameter 'finishedAfter'" in answer[2]


def test_history_tells_which_of_many_instances_have_ended(engine: Engine, task: Any) -> None:
    running = engine.start("still running")
    engine.complete(task)
    ids = [task["processInstanceId"], running, *(f"nope-{n}" for n in range(498))]
    ended = engine.post("/history/process-instance", processInstanceIds=ids, finished=True)
    assert [(instance["id"], instance["state"]) for instance in ended] == [(task["processInstanceId"], "COMPLETED")]
    known = engine.post("/history/process-instance", processInstanceIds=ids)
    assert {instance["id"] for instance in known} == {task["processInstanceId"], running}


def test_an_empty_list_of_ids_is_refused(engine: Engine) -> None:
    answer = engine.refused("POST", "/history/process-instance", json={"processInstanceIds": []})
    assert answer[0] == 500
    assert "Set of process instance ids" in answer[2]


def test_results_are_paged(engine: Engine, task: Any) -> None:
    second = engine.start("k2")
    query = {"processDefinitionKey": engine.key, "sortBy": "startTime", "sortOrder": "asc", "maxResults": 1}
    pages = [engine.get("/history/process-instance", **query, firstResult=first) for first in range(3)]
    assert [[instance["id"] for instance in page] for page in pages] == [[task["processInstanceId"]], [second], []]
    assert engine.get("/history/process-instance/count", processDefinitionKey=engine.key) == {"count": 2}


def test_variables_of_an_ended_instance_are_in_history(engine: Engine, task: Any) -> None:
    engine.complete(task, result="done")
    stored = engine.get(
        "/history/variable-instance", processInstanceId=task["processInstanceId"], deserializeValues="false"
    )
    assert [(variable["name"], variable["type"], variable["value"]) for variable in stored] == [
        ("result", "String", "done")
    ]


def test_an_unknown_instance_answers_404(engine: Engine) -> None:
    assert engine.refused("GET", "/history/process-instance/nope")[:2] == (404, "InvalidRequestException")
