"""Facts about failures: retries, the pause before the next attempt, incidents and how they are resolved."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.bpmn import expression, external, process
from tests.contract.engine import Engine, eventually


@pytest.fixture
def task(engine: Engine) -> Any:
    """A task locked by w1, the last of its process."""
    engine.deploy(process(engine.key, external("a")))
    engine.start("k")
    return engine.fetch_one("a")


def incidents(engine: Engine, task: Any) -> Any:
    """The open incidents of the task's instance."""
    return engine.get("/incident", processInstanceId=task["processInstanceId"])


def test_a_failure_with_retries_gives_the_task_back_with_its_message(engine: Engine, task: Any) -> None:
    engine.fail(task, retries=2, message="no luck")
    again = engine.fetch_one("a", worker="w2")
    assert (again["id"], again["retries"], again["errorMessage"]) == (task["id"], 2, "no luck")
    assert again["errorDetails"] == "a stack trace"
    assert incidents(engine, task) == []


def test_the_retry_timeout_is_a_lock_of_the_worker_that_failed(engine: Engine, task: Any) -> None:
    engine.fail(task, retries=2, retry_ms=600_000)
    assert engine.fetch("a", worker="w2") == []
    assert engine.task(task)["workerId"] == "w1"
    assert engine.task(task)["lockExpirationTime"] > task["lockExpirationTime"]
    engine.post(f"/external-task/{task['id']}/unlock", 204)
    assert engine.fetch_one("a", worker="w2")["retries"] == 2


def test_the_task_comes_back_when_the_retry_timeout_is_over(engine: Engine, task: Any) -> None:
    engine.fail(task, retries=1, retry_ms=100)
    assert engine.fetch_one("a")["retries"] == 1


def test_a_failure_without_retries_makes_an_incident(engine: Engine, task: Any) -> None:
    engine.fail(task, retries=0, message="no luck")
    [incident] = incidents(engine, task)
    expected = {
        "incidentType": "failedExternalTask", "incidentMessage": "no luck", "activityId": "a",
        "configuration": task["id"], "processInstanceId": task["processInstanceId"],
        "causeIncidentId": incident["id"], "rootCauseIncidentId": incident["id"],
    }  # fmt: skip
    assert {name: incident[name] for name in expected} == expected
    assert engine.fetch("a", worker="w2") == []
    assert engine.task(task)["retries"] == 0
    assert engine.history(task["processInstanceId"])["state"] == "ACTIVE"


def test_a_failure_that_names_no_retries_is_a_failure_with_none(engine: Engine, task: Any) -> None:
    engine.post(f"/external-task/{task['id']}/failure", 204, workerId="w1", errorMessage="no luck")
    assert engine.task(task)["retries"] == 0
    assert len(incidents(engine, task)) == 1


def test_setting_retries_resolves_the_incident_and_offers_the_task(engine: Engine, task: Any) -> None:
    engine.fail(task, retries=0)
    engine.put(f"/external-task/{task['id']}/retries", retries=2)
    assert incidents(engine, task) == []
    [past] = engine.get("/history/incident", processInstanceId=task["processInstanceId"])
    assert (past["open"], past["resolved"], past["deleted"]) == (False, True, False)
    assert engine.fetch_one("a", worker="w2")["retries"] == 2


def test_the_token_of_a_failed_attempt_may_still_complete_and_resolves_the_incident(engine: Engine, task: Any) -> None:
    engine.fail(task, retries=0)
    engine.complete(task)
    [past] = engine.get("/history/incident", processInstanceId=task["processInstanceId"])
    assert (past["open"], past["resolved"]) == (False, True)


def test_setting_retries_to_zero_makes_an_incident_without_message(engine: Engine, task: Any) -> None:
    engine.put(f"/external-task/{task['id']}/retries", retries=0)
    assert [incident["incidentMessage"] for incident in incidents(engine, task)] == [None]


def test_a_message_over_666_characters_is_cut_and_details_are_kept(engine: Engine, task: Any) -> None:
    body = {"retries": 0, "errorMessage": "m" * 1000, "errorDetails": "d" * 100_000}
    engine.post(f"/external-task/{task['id']}/failure", 204, workerId="w1", **body)
    assert incidents(engine, task)[0]["incidentMessage"] == "m" * 666
    assert engine.call("GET", f"/external-task/{task['id']}/errorDetails").text == "d" * 100_000


def test_negative_retries_are_refused(engine: Engine, task: Any) -> None:
    failure = {"workerId": "w1", "retries": -1}
    answer = engine.refused("POST", f"/external-task/{task['id']}/failure", json=failure)
    assert answer[0] == 500
    assert "retries is not greater than or equal to 0" in answer[2]


def test_failures_and_incidents_are_in_the_history_of_the_task(engine: Engine, task: Any) -> None:
    engine.fail(task, retries=1, message="first")
    engine.fetch_one("a", worker="w2")
    engine.fail(task, retries=0, worker="w2", message="second")
    log = engine.get("/history/external-task-log", externalTaskId=task["id"], failureLog="true")
    log.sort(key=lambda entry: entry["timestamp"])
    # `retries` is the count before the failure, so it is null at the first failure.
    assert [(entry["workerId"], entry["retries"], entry["errorMessage"]) for entry in log] == [
        ("w1", None, "first"),
        ("w2", 1, "second"),
    ]
    details = engine.call("GET", f"/history/external-task-log/{log[0]['id']}/error-details")
    assert details.text == "a stack trace"


def test_a_completion_that_fails_within_the_engine_answers_500_and_leaves_the_task_locked(engine: Engine) -> None:
    engine.deploy(process(engine.key, external("a"), expression("bad", "${nope}")))
    engine.start()
    task = engine.fetch_one("a")
    answer = engine.refused("POST", f"/external-task/{task['id']}/complete", json={"workerId": "w1"})
    assert answer[:2] == (500, "ProcessEngineException")
    assert "Cannot resolve identifier 'nope'" in answer[2]
    assert engine.task(task)["lockExpirationTime"] == task["lockExpirationTime"]
    assert incidents(engine, task) == []


def test_a_failed_job_of_the_engine_makes_an_incident_once_its_retries_are_used_up(engine: Engine) -> None:
    cycle = "<camunda:failedJobRetryTimeCycle>R1/PT0S</camunda:failedJobRetryTimeCycle>"
    once = f"<extensionElements>{cycle}</extensionElements>"
    engine.deploy(process(engine.key, external("a"), expression("bad", "${nope}", once, asyncBefore="true")))
    instance = engine.start()
    engine.complete(engine.fetch_one("a"))
    [incident] = eventually(lambda: engine.get("/incident", processInstanceId=instance), "an incident of the job")
    assert (incident["incidentType"], incident["activityId"]) == ("failedJob", "bad")
    assert "Cannot resolve identifier 'nope'" in incident["incidentMessage"]
    [job] = engine.get("/job", processInstanceId=instance)
    assert (incident["configuration"], job["retries"]) == (job["id"], 0)
    assert engine.call("GET", f"/job/{job['id']}/stacktrace").status_code == 200
    assert engine.history(instance)["state"] == "ACTIVE"
    engine.post(f"/process-instance/{instance}/variables", 204, modifications={"nope": {"value": 1}})
    engine.put(f"/job/{job['id']}/retries", retries=1)
    assert engine.get("/incident", processInstanceId=instance) == []
    engine.post(f"/job/{job['id']}/execute", 204)
    assert engine.history(instance)["state"] == "COMPLETED"
    assert [past["resolved"] for past in engine.get("/history/incident", processInstanceId=instance)] == [True]
