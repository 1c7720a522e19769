"""Facts about locks: the worker id is the lock token, and the answer of each call with another token."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.bpmn import external, process
from tests.contract.engine import Engine, eventually

#: each call that the owner of a lock makes, with a body that is right except for the worker id
OWNER_CALLS: list[tuple[str, dict[str, Any]]] = [
    ("complete", {}),
    ("failure", {"retries": 1}),
    ("bpmnError", {"errorCode": "X"}),
    ("extendLock", {"newDuration": 60_000}),
]


@pytest.fixture
def task(engine: Engine) -> Any:
    """A task locked by w1; step `b` follows."""
    engine.deploy(process(engine.key, external("a"), external("b")))
    engine.start("k")
    return engine.fetch_one("a")


def expire(engine: Engine, task: Any) -> None:
    """Lock the task for a millisecond, as w1, and wait until the lock expires."""
    engine.post(f"/external-task/{task['id']}/unlock", 204)
    engine.post(f"/external-task/{task['id']}/lock", 204, workerId="w1", lockDuration=1)
    query = {"externalTaskId": task["id"], "notLocked": "true"}
    eventually(lambda: engine.get("/external-task", **query), "the lock expires")


def test_completing_hands_on_variables_and_the_next_task_is_there_at_once(engine: Engine, task: Any) -> None:
    body = {"variables": {"v": {"value": 1}}, "localVariables": {"mine": {"value": 2}}}
    engine.post(f"/external-task/{task['id']}/complete", 204, workerId="w1", **body)
    [following] = engine.fetch("b", businessKey="k")
    assert {name: variable["value"] for name, variable in following["variables"].items()} == {"v": 1}
    stored = engine.get("/history/variable-instance", processInstanceId=task["processInstanceId"])
    assert sorted(variable["name"] for variable in stored) == ["mine", "v"]


@pytest.mark.parametrize(("call", "body"), OWNER_CALLS)
def test_another_worker_is_refused_with_400(engine: Engine, task: Any, call: str, body: dict[str, Any]) -> None:
    answer = engine.refused("POST", f"/external-task/{task['id']}/{call}", json={"workerId": "w2", **body})
    assert answer[:2] == (400, "RestException")
    assert "It is locked by worker 'w1'" in answer[2]


@pytest.mark.parametrize(("call", "body"), OWNER_CALLS)
def test_a_token_that_was_superseded_is_refused_with_400(
    engine: Engine, task: Any, call: str, body: dict[str, Any]
) -> None:
    expire(engine, task)
    assert engine.fetch_one("a", worker="w2")["id"] == task["id"]
    answer = engine.refused("POST", f"/external-task/{task['id']}/{call}", json={"workerId": "w1", **body})
    assert answer[:2] == (400, "RestException")
    assert "It is locked by worker 'w2'" in answer[2]


@pytest.mark.parametrize(("call", "body"), [*OWNER_CALLS, ("lock", {"lockDuration": 1}), ("unlock", {})])
def test_every_call_for_a_completed_task_answers_404(
    engine: Engine, task: Any, call: str, body: dict[str, Any]
) -> None:
    engine.complete(task)
    answer = engine.refused("POST", f"/external-task/{task['id']}/{call}", json={"workerId": "w1", **body})
    assert answer == (404, "RestException", f"External task with id {task['id']} does not exist")


@pytest.mark.parametrize(("call", "body"), OWNER_CALLS[:3])
def test_a_lock_that_ran_out_but_was_not_retaken_still_serves(
    engine: Engine, task: Any, call: str, body: dict[str, Any]
) -> None:
    expire(engine, task)
    engine.post(f"/external-task/{task['id']}/{call}", 204, workerId="w1", **body)


def test_a_lock_that_ran_out_cannot_be_extended(engine: Engine, task: Any) -> None:
    expire(engine, task)
    extend = {"workerId": "w1", "newDuration": 60_000}
    answer = engine.refused("POST", f"/external-task/{task['id']}/extendLock", json=extend)
    assert answer[:2] == (400, "RestException")
    assert "Cannot extend a lock that expired" in answer[2]


def test_a_lock_that_ran_out_may_be_taken_by_the_same_worker_or_another(engine: Engine, task: Any) -> None:
    expire(engine, task)
    engine.post(f"/external-task/{task['id']}/lock", 204, workerId="w1", lockDuration=1)
    expire(engine, task)
    engine.post(f"/external-task/{task['id']}/lock", 204, workerId="w2", lockDuration=60_000)


def test_the_owner_extends_its_lock_from_now_on(engine: Engine, task: Any) -> None:
    engine.post(f"/external-task/{task['id']}/extendLock", 204, workerId="w1", newDuration=3_600_000)
    assert engine.task(task)["lockExpirationTime"] > task["lockExpirationTime"]
    engine.post(f"/external-task/{task['id']}/extendLock", 204, workerId="w1", newDuration=1_000)
    assert engine.task(task)["lockExpirationTime"] < task["lockExpirationTime"]


def test_anybody_unlocks_and_then_the_former_owner_is_refused(engine: Engine, task: Any) -> None:
    for _ in range(2):
        engine.post(f"/external-task/{task['id']}/unlock", 204)
    answer = engine.refused("POST", f"/external-task/{task['id']}/complete", json={"workerId": "w1"})
    assert answer[:2] == (400, "RestException")
    assert "It is locked by worker 'null'" in answer[2]
    assert engine.fetch_one("a", worker="w2")["id"] == task["id"]


@pytest.mark.parametrize(("call", "body"), OWNER_CALLS)
def test_a_call_without_worker_id_answers_500(engine: Engine, task: Any, call: str, body: dict[str, Any]) -> None:
    answer = engine.refused("POST", f"/external-task/{task['id']}/{call}", json=body)
    assert answer[0] == 500
    assert "workerId is null" in answer[2]


def test_a_completion_whose_variable_does_not_fit_its_type_answers_400_and_changes_nothing(
    engine: Engine, task: Any
) -> None:
    completion = {"workerId": "w1", "variables": {"v": {"type": "Integer", "value": "x"}}}
    answer = engine.refused("POST", f"/external-task/{task['id']}/complete", json=completion)
    assert answer[:2] == (400, "InvalidRequestException")
    assert engine.task(task)["lockExpirationTime"] == task["lockExpirationTime"]
