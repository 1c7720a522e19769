"""Facts about BPMN errors: which event catches them, their variables, and how history distinguishes ends."""

from __future__ import annotations

from typing import Any

from tests.contract.bpmn import boundary, error_end, external, on_error, process, subprocess
from tests.contract.engine import Engine

CAUGHT = {"errorCodeVariable": "code", "errorMessageVariable": "message"}


def started(engine: Engine, *parts: Any) -> Any:
    """Start a process of these parts, and lock its first task."""
    engine.deploy(process(engine.key, *parts))
    engine.start()
    return engine.fetch_one("a")


def values(task: Any) -> dict[str, Any]:
    """The plain values of a task's variables."""
    return {name: variable["value"] for name, variable in task["variables"].items()}


def test_a_boundary_event_catches_its_code_and_gets_code_message_and_variables(engine: Engine) -> None:
    task = started(engine, external("a"), boundary("a", external("h"), code="X", **CAUGHT))
    engine.bpmn_error(task, "X", errorMessage="too young", variables={"age": {"value": 17}})
    assert values(engine.fetch_one("h")) == {"code": "X", "message": "too young", "age": 17}


def test_a_boundary_event_without_code_catches_every_error(engine: Engine) -> None:
    task = started(engine, external("a"), boundary("a", external("h"), **CAUGHT))
    engine.bpmn_error(task, "WHATEVER")
    # Without a message its variable exists, with null.
    assert values(engine.fetch_one("h")) == {"code": "WHATEVER", "message": None}


def test_a_boundary_event_of_a_subprocess_catches_the_errors_of_its_steps(engine: Engine) -> None:
    task = started(engine, subprocess("sub", external("a"), external("b")), boundary("sub", external("h"), **CAUGHT))
    engine.bpmn_error(task, "X")
    assert values(engine.fetch_one("h"))["code"] == "X"
    assert engine.fetch("b") == []


def test_an_event_subprocess_catches_too(engine: Engine) -> None:
    task = started(engine, external("a"), on_error(external("h"), code="X", **CAUGHT))
    engine.bpmn_error(task, "X", errorMessage="no")
    handler = engine.fetch_one("h")
    assert values(handler) == {"code": "X", "message": "no"}
    engine.complete(handler)
    assert engine.activities(task["processInstanceId"])["on-error-end"] == "noneEndEvent"


def test_an_error_that_nothing_catches_ends_the_instance_as_completed_without_an_end_event(engine: Engine) -> None:
    task = started(engine, external("a"), boundary("a", code="X"), external("b"))
    engine.bpmn_error(task, "Y")
    assert engine.history(task["processInstanceId"])["state"] == "COMPLETED"
    assert engine.activities(task["processInstanceId"]) == {"process-start": "startEvent", "a": "serviceTask"}
    assert engine.get("/history/incident", processInstanceId=task["processInstanceId"]) == []


def test_history_shows_the_boundary_event_and_the_cancelled_step(engine: Engine) -> None:
    task = started(engine, external("a"), boundary("a", external("h")))
    engine.bpmn_error(task, "X")
    passed = engine.get("/history/activity-instance", processInstanceId=task["processInstanceId"])
    by_id = {activity["activityId"]: activity for activity in passed}
    assert (by_id["a"]["canceled"], by_id["a-failed"]["activityType"]) == (True, "boundaryError")
    assert by_id["a"]["id"] == task["activityInstanceId"]
    assert by_id["h"]["endTime"] is None


def test_a_process_that_ends_through_an_error_end_event_is_completed_in_history(engine: Engine) -> None:
    task = started(engine, external("a"), boundary("a", error_end("refused", "REFUSED"), code="X"))
    engine.bpmn_error(task, "X")
    assert engine.history(task["processInstanceId"])["state"] == "COMPLETED"
    assert engine.activities(task["processInstanceId"])["refused"] == "errorEndEvent"


def test_the_end_event_of_a_good_end_is_in_history(engine: Engine) -> None:
    task = started(engine, external("a"))
    engine.complete(task)
    assert engine.history(task["processInstanceId"])["state"] == "COMPLETED"
    ends = engine.get(
        "/history/activity-instance", processInstanceId=task["processInstanceId"], activityType="noneEndEvent"
    )
    assert [end["activityId"] for end in ends] == ["process-end"]


def test_an_error_without_code_is_refused(engine: Engine) -> None:
    task = started(engine, external("a"))
    answer = engine.refused("POST", f"/external-task/{task['id']}/bpmnError", json={"workerId": "w1"})
    assert answer[0] == 500
    assert "errorCode is null" in answer[2]
