"""Facts about messages, timers and asynchronous continuations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.bpmn import external, process, receive, timer
from tests.contract.engine import Engine


@pytest.fixture
def message(engine: Engine) -> str:
    """The name of a message that instances of the process wait for."""
    name = f"paid-{engine.key}"
    engine.deploy(process(engine.key, receive("wait", name), external("a")))
    return name


def test_a_message_with_variables_goes_on_with_the_instance_of_that_business_key(engine: Engine, message: str) -> None:
    engine.start("other")
    engine.start("k")
    engine.post("/message", 204, messageName=message, businessKey="k", processVariables={"paid": {"value": True}})
    [task] = engine.fetch("a")
    assert (task["businessKey"], task["variables"]["paid"]["value"]) == ("k", True)


def test_a_message_may_name_the_instance(engine: Engine, message: str) -> None:
    instance = engine.start("k")
    engine.post("/message", 204, messageName=message, processInstanceId=instance)
    assert engine.fetch_one("a")["processInstanceId"] == instance


def test_the_answer_tells_which_instance_on_demand(engine: Engine, message: str) -> None:
    instance = engine.start("k")
    [result] = engine.post("/message", 200, messageName=message, businessKey="k", resultEnabled=True)
    assert (result["resultType"], result["execution"]["processInstanceId"]) == ("Execution", instance)


@pytest.mark.parametrize("instances", [0, 2])
def test_a_message_that_does_not_find_exactly_one_instance_answers_400(
    engine: Engine, message: str, instances: int
) -> None:
    for _ in range(instances):
        engine.start("k")
    answer = engine.refused("POST", "/message", json={"messageName": message, "businessKey": "k"})
    assert answer[:2] == (400, "RestException")
    assert "MismatchingMessageCorrelationException" in answer[2]
    assert ("2 executions match" if instances else "No process definition or execution matches") in answer[2]


def test_a_message_to_all_may_find_none(engine: Engine, message: str) -> None:
    engine.post("/message", 204, messageName=message, businessKey="k", all=True)


def test_a_message_without_name_answers_400(engine: Engine) -> None:
    assert engine.refused("POST", "/message", json={}) == (400, "InvalidRequestException", "No message name supplied")


def test_after_an_asynchronous_continuation_the_next_task_comes_some_time_later(engine: Engine) -> None:
    engine.deploy(process(engine.key, external("a", asyncAfter="true"), external("b")))
    engine.start("k")
    task = engine.fetch_one("a")
    engine.complete(task)
    log = engine.get("/history/external-task-log", externalTaskId=task["id"], successLog="true")
    assert [entry["workerId"] for entry in log] == ["w1"]
    assert engine.fetch_one("b")["businessKey"] == "k"


def test_a_timer_is_a_job_that_can_be_run_now_and_once(engine: Engine) -> None:
    engine.deploy(process(engine.key, timer("pause", "PT1H"), external("a")))
    instance = engine.start()
    [job] = engine.get("/job", processInstanceId=instance)
    assert {"id", "dueDate", "retries", "exceptionMessage", "failedActivityId", "suspended"} <= set(job)
    assert job["dueDate"] > job["createTime"]
    engine.post(f"/job/{job['id']}/execute", 204)
    assert engine.fetch_one("a")["processInstanceId"] == instance
    answer: Any = engine.refused("POST", f"/job/{job['id']}/execute")
    assert answer[0] == 404
    assert "No job found with id" in answer[2]
