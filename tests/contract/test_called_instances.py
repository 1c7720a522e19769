"""Facts about call activities: how a called instance is found, and where its errors are caught."""

from __future__ import annotations

import pytest

from tests.contract.bpmn import boundary, call, error_end, external, process
from tests.contract.engine import Engine


@pytest.fixture
def child(engine: Engine) -> str:
    """The key of a process with one step, which ends in an error end event if that step ends in a BPMN error."""
    key = f"{engine.key}-child"
    step = (external("c"), boundary("c", error_end("thrown", "REFUSED"), code="NO"))
    parents = (
        process(engine.key, call("call", key, business_key=True), boundary("call", external("h"), code="REFUSED")),
        process(f"{engine.key}-bare", call("call", key, business_key=False)),
    )
    engine.deploy(process(key, *step), *parents)
    return key


def test_a_called_instance_has_the_business_key_if_the_call_activity_passes_it(engine: Engine, child: str) -> None:
    instance = engine.start("k", n=1)
    [task] = engine.fetch("c", key=child, businessKey="k")
    assert task["businessKey"] == "k"
    assert task["processInstanceId"] != instance
    assert task["processDefinitionKey"] == child
    assert task["variables"]["n"]["value"] == 1


def test_otherwise_it_has_none_and_the_business_key_filter_does_not_find_it(engine: Engine, child: str) -> None:
    engine.start("k", key=f"{engine.key}-bare")
    assert engine.fetch("c", key=child, businessKey="k") == []
    [task] = engine.fetch("c", key=child)
    assert task["businessKey"] is None


def test_called_and_calling_instance_are_found_from_each_other(engine: Engine, child: str) -> None:
    instance = engine.start("k", key=f"{engine.key}-bare")
    called = engine.fetch_one("c", key=child)["processInstanceId"]
    assert [found["id"] for found in engine.get("/process-instance", superProcessInstance=instance)] == [called]
    assert [found["id"] for found in engine.get("/process-instance", subProcessInstance=called)] == [instance]
    assert {found["id"] for found in engine.get("/process-instance", rootProcessInstanceId=instance)} == {
        instance,
        called,
    }
    history = engine.history(called)
    assert (history["superProcessInstanceId"], history["rootProcessInstanceId"]) == (instance, instance)
    family = engine.get("/history/process-instance", rootProcessInstanceId=instance)
    assert {found["id"] for found in family} == {instance, called}


def test_completing_the_last_step_of_the_called_instance_goes_on_in_the_caller_at_once(
    engine: Engine, child: str
) -> None:
    instance = engine.start("k")
    engine.complete(engine.fetch_one("c", key=child), result=1)
    assert engine.history(instance)["state"] == "COMPLETED"
    stored = engine.get("/history/variable-instance", processInstanceId=instance)
    assert {variable["name"]: variable["value"] for variable in stored} == {"result": 1}


def test_an_error_end_of_the_called_instance_is_caught_by_the_caller(engine: Engine, child: str) -> None:
    instance = engine.start("k")
    task = engine.fetch_one("c", key=child)
    engine.bpmn_error(task, "NO")
    assert engine.fetch_one("h")["processInstanceId"] == instance
    assert engine.history(task["processInstanceId"])["state"] == "INTERNALLY_TERMINATED"
    assert engine.activities(task["processInstanceId"])["thrown"] == "errorEndEvent"
    assert engine.activities(instance)["call-failed"] == "boundaryError"


def test_an_incident_of_the_called_instance_shows_in_the_caller_without_its_message(engine: Engine, child: str) -> None:
    instance = engine.start("k")
    task = engine.fetch_one("c", key=child)
    engine.fail(task, retries=0, message="no luck")
    [cause] = engine.get("/incident", processInstanceId=task["processInstanceId"])
    [shown] = engine.get("/incident", processInstanceId=instance)
    assert (shown["causeIncidentId"], shown["rootCauseIncidentId"]) == (cause["id"], cause["id"])
    assert (shown["activityId"], shown["configuration"], shown["incidentMessage"]) == ("call", None, None)
    assert (cause["configuration"], cause["incidentMessage"]) == (task["id"], "no luck")
    engine.put(f"/external-task/{task['id']}/retries", retries=1)
    assert engine.get("/incident", processInstanceId=instance) == []


def test_deleting_the_caller_deletes_the_called_instance(engine: Engine, child: str) -> None:
    instance = engine.start("k")
    called = engine.fetch_one("c", key=child)["processInstanceId"]
    assert engine.call("DELETE", f"/process-instance/{instance}").status_code == 204
    assert engine.history(called)["state"] == "EXTERNALLY_TERMINATED"


def test_deleting_the_called_instance_deletes_the_caller(engine: Engine, child: str) -> None:
    instance = engine.start("k")
    called = engine.fetch_one("c", key=child)["processInstanceId"]
    assert engine.call("DELETE", f"/process-instance/{called}").status_code == 204
    assert engine.history(instance)["state"] == "EXTERNALLY_TERMINATED"
